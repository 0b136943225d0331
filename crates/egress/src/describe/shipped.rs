//! Descriptions in the binary (`systems/`).

/// Shipped descriptions: name, TOML.
pub const SHIPPED: [(&str, &str); 10] = [
    ("anthropic", include_str!("../../../../systems/anthropic.toml")),
    ("github", include_str!("../../../../systems/github.toml")),
    ("gitlab", include_str!("../../../../systems/gitlab.toml")),
    ("http", include_str!("../../../../systems/http.toml")),
    ("openai", include_str!("../../../../systems/openai.toml")),
    ("packages", include_str!("../../../../systems/packages.toml")),
    ("s3", include_str!("../../../../systems/s3.toml")),
    ("slack", include_str!("../../../../systems/slack.toml")),
    ("stripe", include_str!("../../../../systems/stripe.toml")),
    ("sts", include_str!("../../../../systems/sts.toml")),
];

/// The shipped description of this kind.
#[must_use]
pub fn shipped(kind: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(name, _)| *name == kind)
        .map(|(_, text)| *text)
}
