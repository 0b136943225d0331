//! The revisions of MCP we speak, and the names the protocol gives its metadata.

/// The modern revision.
pub(crate) const MODERN: &str = "2026-07-28";
/// What a legacy client is offered when it asks for something we do not know.
pub(crate) const LEGACY_LATEST: &str = "2025-11-25";
/// Every legacy revision we negotiate to when asked.
pub(crate) const LEGACY: [&str; 4] = [LEGACY_LATEST, "2025-06-18", "2025-03-26", "2024-11-05"];

pub(crate) const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
pub(crate) const META_SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
pub(crate) const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
/// Prefix of everything we say in `_meta`; an upstream may say nothing there.
pub(crate) const META_OURS: &str = "dev.remit/";
/// The decision behind a refusal.
pub(crate) const META_DECISION: &str = "dev.remit/decision";

/// The known legacy revision that `text` names.
pub(crate) fn legacy(text: &str) -> Option<&'static str> {
    LEGACY.into_iter().find(|known| *known == text)
}
