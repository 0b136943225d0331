//! The templates inside the binary.

use super::{Template, TemplateError};

const SHIPPED: [&str; 5] = [
    include_str!("../../../../policies/templates/coding.toml"),
    include_str!("../../../../policies/templates/conformance.toml"),
    include_str!("../../../../policies/templates/public.toml"),
    include_str!("../../../../policies/templates/support.toml"),
    include_str!("../../../../policies/templates/triage.toml"),
];

/// The shipped templates, by name.
///
/// # Errors
/// Never, unless the binary was built from a broken template: a test reads them all.
pub fn shipped_templates() -> Result<Vec<Template>, TemplateError> {
    SHIPPED.into_iter().map(Template::parse).collect()
}
