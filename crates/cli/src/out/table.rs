//! Tables: columns as wide as their widest cell, two spaces apart, the last one free.

use super::text::Text;

/// Rows of cells; the first row may be a heading.
#[derive(Clone, Debug, Default)]
pub struct Table(Vec<Vec<Text>>);

impl Table {
    /// A table with a heading.
    #[must_use]
    pub fn new(heading: &[&str]) -> Self {
        Self(vec![
            heading
                .iter()
                .map(|name| Text::new().dim(name.to_uppercase()))
                .collect(),
        ])
    }

    /// A table without a heading.
    #[must_use]
    pub const fn bare() -> Self {
        Self(Vec::new())
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Text>) {
        self.0.push(cells.into_iter().collect());
    }

    pub(super) fn aligned(self) -> Vec<Text> {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|at| {
                self.0
                    .iter()
                    .filter_map(|row| row.get(at))
                    .map(Text::width)
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        self.0
            .into_iter()
            .map(|row| {
                let last = row.iter().rposition(|cell| cell.width() > 0);
                let mut line = Text::new();
                for (at, (cell, width)) in row.into_iter().zip(&widths).enumerate() {
                    let fill = width.saturating_sub(cell.width()) + 2;
                    line = line.join(cell);
                    if last.is_some_and(|last| at < last) {
                        line = line.plain(" ".repeat(fill));
                    } else {
                        break;
                    }
                }
                line
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let mut table = Table::new(&["tool", "class", "note"]);
        table.row(["fs/read".into(), "read".into(), "".into()]);
        table.row(["f/\u{1b}x".into(), "w".into(), "changed".into()]);
        let lines: Vec<String> = table.aligned().iter().map(|line| line.render(false)).collect();
        assert_eq!(
            lines,
            [
                "TOOL       CLASS  NOTE",
                "fs/read    read",
                "f/\\u{1b}x  w      changed"
            ]
        );
    }
}
