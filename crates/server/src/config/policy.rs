//! `[policy]`: rules and templates of this installation.

use std::path::PathBuf;

use serde::Deserialize;

/// `[policy]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Folder of `*.cedar` files of this installation; `policies` beside `remit.toml` when absent.
    pub dir: Option<PathBuf>,
    /// Folder of task templates; `templates` beside `remit.toml` when absent.
    pub templates: Option<PathBuf>,
}
