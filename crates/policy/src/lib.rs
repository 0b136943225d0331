//! Facts to Cedar to verdict: bundles, validation, slices, explanation.
//!
//! [`Bundle::load`] reads rules and validates them against the [`Catalogue`]; [`Bundle::decide`] answers [`Facts`] with a
//! [`Verdict`]. The shape is written down in `docs/adr/0001-cedar-shape.md`, the guide for rule writers in `docs/policy.md`.

mod attributes;
mod bundle;
mod catalogue;
mod context;
mod engine;
mod explain;
mod facts;
mod load;
mod message;
mod names;
mod principal;
mod problem;
mod redeem;
mod request;
mod rule;
mod schema;
pub mod simulate;
mod slice;
mod source;
mod template;
mod values;
mod verdict;

pub use attributes::principal_attributes;
pub use bundle::Bundle;
pub use catalogue::{ArgumentType, Catalogue, Field, Opaque, ToolSchema, argument_types, salient_opaque};
pub use context::context_fields;
pub use explain::{Explanation, RuleReport, Said};
pub use facts::{Environments, Facts, Given, NoEnvironments, Origin, Overrun, Risk, ToolFacts};
pub use principal::{Principal, PrincipalFacts};
pub use problem::{Problem, Severity};
pub use redeem::{Wider, covered};
pub use rule::{Kind, Rule, RuleRef};
pub use source::{Layer, Source, shipped_baseline, shipped_guardrails, shipped_observing};
pub use template::{
    AuthorityFile, Instance, Parameter, ParameterType, Template, TemplateError, TiersFile, shipped_templates,
};
pub use verdict::{Allow, Denial, Hold, Verdict};
