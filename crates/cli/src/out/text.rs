//! Lines in pieces: what each piece means is said here, how it looks is decided when it is written.

use super::escape::escape;

/// What a piece of a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    Good,
    Bad,
    Careful,
    Strong,
    Dim,
}

impl Style {
    const fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Careful => Some("33"),
            Self::Strong => Some("1"),
            Self::Dim => Some("2"),
        }
    }
}

/// One line, escaped piece by piece when it is rendered: no caller can put a control character through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Vec<(Style, String)>);

macro_rules! styles {
    ($($(#[$doc:meta])* $name:ident $style:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, text: impl Into<String>) -> Self {
            self.0.push((Style::$style, text.into()));
            self
        }
    )*};
}

impl Text {
    /// An empty line.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    styles! {
        /// Ordinary text.
        plain Plain;
        /// Allowed, alive, verified.
        good Good;
        /// Denied, dead, broken.
        bad Bad;
        /// Waits for somebody, or wants a look.
        careful Careful;
        /// A heading.
        strong Strong;
        /// Ids and times.
        dim Dim;
    }

    /// Appends the pieces of `other`.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Columns it takes, one per character.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| escape(text).chars().count()).sum()
    }

    /// The line, with or without colours, and escaped.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let mut out = String::new();
        for (style, text) in &self.0 {
            let text = escape(text);
            match style.sgr().filter(|_| colour && !text.is_empty()) {
                Some(sgr) => out.push_str(&format!("\x1b[{sgr}m{text}\x1b[0m")),
                None => out.push_str(&text),
            }
        }
        out
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new().plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new().plain(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_ours_alone() {
        let text = Text::new().good("allow").plain(" ").bad("\u{1b}[0mdeny");
        assert_eq!(text.render(false), "allow \\u{1b}[0mdeny");
        assert_eq!(
            text.render(true),
            "\u{1b}[32mallow\u{1b}[0m \u{1b}[31m\\u{1b}[0mdeny\u{1b}[0m"
        );
    }
}
