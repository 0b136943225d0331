//! `[policy]`: rules and templates of this installation, and what is observed only.

use std::collections::BTreeMap;
use std::path::PathBuf;

use remit_core::tool::ToolClass;
use serde::Deserialize;

use super::duration::duration_ms;
use super::error::ConfigError;

/// How long a class is observed when nothing is said.
pub const OBSERVE_DEFAULT: &str = "7d";
/// Longest time a class may be observed without being asked for again: 30 days, in milliseconds.
pub const OBSERVE_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;

/// `[policy]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Folder of `*.cedar` files of this installation; `policies` beside `remit.toml` when absent.
    pub dir: Option<PathBuf>,
    /// Folder of task templates; `templates` beside `remit.toml` when absent.
    pub templates: Option<PathBuf>,
    /// Tool classes whose holds and denials by baseline and organisation are recorded instead of enforced, and for how
    /// long: `{ read = "7d" }`.
    pub observe: BTreeMap<String, String>,
    /// The decoy tool of each run stands in its lists; otherwise only its environment names it.
    pub list_decoy: bool,
}

impl Policy {
    /// Classes to observe, with the time in milliseconds.
    ///
    /// # Errors
    /// [`ConfigError::Value`] naming the class that cannot be observed, or a time out of bounds.
    pub fn observed(&self) -> Result<BTreeMap<ToolClass, u64>, ConfigError> {
        let mut observed = BTreeMap::new();
        for (word, time) in &self.observe {
            let key = || format!("policy.observe.{word}");
            let class: ToolClass = word
                .parse()
                .map_err(|error: remit_core::tool::BadClass| ConfigError::value(key(), error.to_string()))?;
            if class == ToolClass::Privilege {
                let message = "class `privilege` is never observed only: a guardrail holds every call of it";
                return Err(ConfigError::value(key(), message));
            }
            let ms = duration_ms(time).map_err(|message| ConfigError::value(key(), message))?;
            if ms == 0 || ms > OBSERVE_MS_MAX {
                let message = format!(
                    "`{time}` is out of bounds: a class is observed for at most 30d, then it is asked for again"
                );
                return Err(ConfigError::value(key(), message));
            }
            observed.insert(class, ms);
        }
        Ok(observed)
    }
}
