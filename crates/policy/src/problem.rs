//! What is wrong with a policy file: where, what, and what to do.

use std::fmt;

use cedar_policy_core::parser::Loc;

/// Whether it stops the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The bundle is refused.
    Error,
    /// The bundle is taken.
    Warning,
}

/// One problem in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it stops the load.
    pub severity: Severity,
    /// The file.
    pub file: String,
    /// Line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 when the whole file is meant.
    pub column: usize,
    /// The rule's id, when it has one.
    pub rule: Option<String>,
    /// What is wrong.
    pub sentence: String,
    /// What to do about it; may be empty.
    pub fix: String,
}

impl Problem {
    /// A problem at a byte offset of `text`.
    pub(crate) fn at(file: &str, text: &str, offset: usize, sentence: impl Into<String>) -> Self {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            line,
            column,
            rule: None,
            sentence: sentence.into(),
            fix: String::new(),
        }
    }

    /// A problem where Cedar says it is; the start of the file when it does not say.
    pub(crate) fn at_loc(file: &str, text: &str, loc: Option<&Loc>, sentence: impl Into<String>) -> Self {
        Self::at(file, text, loc.map_or(0, Loc::start), sentence)
    }

    /// A problem with a whole file, or with all of them.
    pub(crate) fn whole(file: &str, sentence: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            line: 0,
            column: 0,
            rule: None,
            sentence: sentence.into(),
            fix: String::new(),
        }
    }

    /// The same, with advice.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// The same, naming the rule.
    pub(crate) fn rule(mut self, id: &str) -> Self {
        self.rule = Some(id.to_owned());
        self
    }

    /// The same, as a warning.
    pub(crate) const fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: sentence; fix`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if self.severity == Severity::Warning {
            f.write_str(": warning")?;
        }
        if let Some(rule) = &self.rule {
            write!(f, ": rule `{rule}`")?;
        }
        write!(f, ": {}", self.sentence)?;
        if self.fix.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.fix)
        }
    }
}
