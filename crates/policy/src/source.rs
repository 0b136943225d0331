//! Where rules come from: layers and files, and the text shipped inside the binary.

use std::borrow::Cow;
use std::fmt;

/// Whose rule it is, strictest first. No layer can loosen another: `forbid` always wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The platform's: nobody below can loosen it; only `forbid`.
    Guardrail,
    /// What holds unless an organisation says more, or a task agreed otherwise beforehand.
    Baseline,
    /// The organisation's and its teams' own files.
    Organisation,
    /// Rules that come with a template and bind its tasks only; only `forbid`.
    Template,
}

impl Layer {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guardrail => "guardrail",
            Self::Baseline => "baseline",
            Self::Organisation => "organisation",
            Self::Template => "template",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One file of Cedar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Whose it is.
    pub layer: Layer,
    /// File name, for messages; for a template its name.
    pub name: String,
    /// The Cedar text.
    pub text: Cow<'static, str>,
}

impl Source {
    /// A file of the organisation.
    #[must_use]
    pub fn organisation(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            layer: Layer::Organisation,
            name: name.into(),
            text: Cow::Owned(text.into()),
        }
    }
}

/// The guardrails inside the binary.
#[must_use]
pub fn shipped_guardrails() -> Source {
    Source {
        layer: Layer::Guardrail,
        name: "guardrails.cedar".to_owned(),
        text: Cow::Borrowed(include_str!("../../../policies/guardrails.cedar")),
    }
}

/// What stands in for baseline and organisation where a class is observed only: within its task an agent is permitted
/// everything the guardrails let through.
#[must_use]
pub fn shipped_observing() -> Source {
    Source {
        layer: Layer::Baseline,
        name: "observing.cedar".to_owned(),
        text: Cow::Borrowed(include_str!("../../../policies/observing.cedar")),
    }
}

/// The baseline inside the binary.
#[must_use]
pub fn shipped_baseline() -> Source {
    Source {
        layer: Layer::Baseline,
        name: "baseline.cedar".to_owned(),
        text: Cow::Borrowed(include_str!("../../../policies/baseline.cedar")),
    }
}
