//! `[store]`: where things are kept.

use std::path::PathBuf;

use serde::Deserialize;

/// `[store]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// File of the embedded store; the XDG data folder when absent.
    pub path: Option<PathBuf>,
}
