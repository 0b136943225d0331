//! What is wrong with a file, and where.

use std::fmt;

/// One thing that is wrong with a scenario file, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// Column, from 1; 0 when it is about the whole line.
    pub column: usize,
    /// What is wrong and what to do.
    pub sentence: String,
}

impl Problem {
    pub(crate) fn at(line: usize, sentence: impl Into<String>) -> Self {
        Self {
            line,
            column: 0,
            sentence: sentence.into(),
        }
    }

    /// Gives a problem without a place this one.
    pub(crate) const fn or_at(mut self, line: usize, column: usize) -> Self {
        if self.line == 0 {
            self.line = line;
            self.column = column;
        }
        self
    }
}

impl fmt::Display for Problem {
    /// `line:column: sentence`, without the parts that are not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}", self.sentence),
            (line, 0) => write!(f, "{line}: {}", self.sentence),
            (line, column) => write!(f, "{line}:{column}: {}", self.sentence),
        }
    }
}

impl std::error::Error for Problem {}

impl serde::de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::at(0, message.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::at(0, unknown_key(field, expected.iter().copied()))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = nearest(variant, expected.iter().copied());
        Self::at(
            0,
            format!(
                "`{}` is not known here{hint}; use {}",
                shown(variant),
                listed(expected.iter().copied())
            ),
        )
    }

    fn missing_field(field: &'static str) -> Self {
        Self::at(0, format!("`{field}` is missing; add it"))
    }
}

/// The sentence about a key nobody knows.
pub(crate) fn unknown_key<'k>(key: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    let hint = nearest(key, known.clone());
    format!(
        "unknown key `{}`{hint}; known here: {}",
        shown(key),
        listed(known)
    )
}

fn listed<'k>(words: impl Iterator<Item = &'k str>) -> String {
    words
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

/// `, did you mean …`, when one of `known` is at most two letters away.
fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> String {
    known
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(away, candidate)| *away <= 2 && *away < candidate.chars().count())
        .min()
        .map_or_else(String::new, |(_, candidate)| {
            format!(", did you mean `{candidate}`?")
        })
}

/// Letters to insert, remove or replace to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().take(80).enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for ((y, (&above, &diagonal)), j) in b.chars().zip(row.iter().skip(1).zip(&row)).zip(0..) {
            let left = next.get(j).copied().unwrap_or(usize::MAX);
            let swap = diagonal + usize::from(x != y);
            next.push(swap.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered() {
        assert_eq!(distance("expct", "expect"), 1);
        assert_eq!(distance("", "abc"), 3);
        let sentence = unknown_key("expct", ["expect", "reason"].into_iter());
        assert_eq!(
            sentence,
            "unknown key `expct`, did you mean `expect`?; known here: `expect`, `reason`"
        );
        assert!(!unknown_key("zzz", ["expect"].into_iter()).contains("did you mean"));
    }
}
