//! Templates: reusable task shapes. TOML with typed parameters and authority data, plus optional Cedar.

mod file;
mod instantiate;
mod parameter;
mod shipped;

use std::collections::BTreeMap;

use remit_core::authority::Authority;
use remit_core::name::Name;
use remit_core::task::Mode;

use crate::source::{Layer, Source};

pub use file::{AuthorityFile, TiersFile};
pub use parameter::{Parameter, ParameterType};
pub use shipped::shipped_templates;

/// A template as parsed; nothing in it is evaluated yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Its name: `coding`.
    pub name: Name,
    /// One sentence for people who choose one.
    pub description: String,
    /// How its runs act.
    pub mode: Mode,
    /// How long its tasks live unless said otherwise, in milliseconds.
    pub ttl_ms: Option<i64>,
    /// What has to be said when a task is opened from it.
    pub parameters: BTreeMap<String, Parameter>,
    /// Its Cedar; empty when it has none. Loaded with [`Template::source`]; it binds the template's tasks only.
    pub policy: String,
    authority: file::AuthorityFile,
    tiers: file::TiersFile,
}

/// A task shape with its parameters filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// What the task asks for; the agent's ceiling and the parent still cut it.
    pub authority: Authority,
    /// How its run acts.
    pub mode: Mode,
    /// How long the task lives unless said otherwise, in milliseconds.
    pub ttl_ms: Option<i64>,
}

/// What is wrong with a template or with what it was given. The person who wrote the one or the other has to change it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The file is no template.
    #[error("{0}")]
    File(String),
    /// A parameter is missing.
    #[error("template `{template}` needs `{parameter}` ({description}): add `--set {parameter}=…`")]
    Missing {
        /// The template.
        template: Name,
        /// The parameter.
        parameter: String,
        /// What it is for.
        description: String,
    },
    /// A parameter the template does not have.
    #[error("template `{template}` has no parameter `{parameter}`: it has {known}")]
    Unknown {
        /// The template.
        template: Name,
        /// What was given.
        parameter: String,
        /// Those it has.
        known: String,
    },
    /// A value that is not of the parameter's type.
    #[error("`{parameter}`: {problem}")]
    Value {
        /// The parameter.
        parameter: String,
        /// What is wrong with the value.
        problem: String,
    },
    /// An entry of the authority that cannot be read once filled in.
    #[error("template `{template}`, {entry}: {problem}")]
    Entry {
        /// The template.
        template: Name,
        /// Where in the file.
        entry: String,
        /// What is wrong.
        problem: String,
    },
}

impl Template {
    /// Reads a template. Unknown keys, unknown placeholders and entries that can never be read are refused here.
    ///
    /// # Errors
    /// [`TemplateError::File`] or [`TemplateError::Entry`], with the place.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        file::parse(text)
    }

    /// Fills in the parameters: name → text as given with `--set name=text`; lists are separated by commas.
    ///
    /// # Errors
    /// Missing, unknown or ill-typed parameters; entries that cannot be read once filled in.
    pub fn instantiate(&self, given: &BTreeMap<String, String>) -> Result<Instance, TemplateError> {
        instantiate::instantiate(self, given)
    }

    /// Its Cedar as a source for [`crate::Bundle::load`]; `None` when it has none.
    #[must_use]
    pub fn source(&self) -> Option<Source> {
        (!self.policy.trim().is_empty()).then(|| Source {
            layer: Layer::Template,
            name: self.name.to_string(),
            text: self.policy.clone().into(),
        })
    }
}
