//! `[hold]`: how calls wait for people.

use remit_core::limits;
use serde::Deserialize;

use super::duration::duration_ms;
use super::error::ConfigError;

/// `[hold]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hold {
    /// How long a held call waits inside the agent's request: `"20s"`, at most `"55s"`.
    pub wait: String,
    /// How long an approval stays open unanswered: `"24h"`.
    pub window: String,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            wait: "20s".to_owned(),
            window: "24h".to_owned(),
        }
    }
}

impl Hold {
    /// `wait`, in milliseconds.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is not a duration of at most 55 s.
    pub fn wait_ms(&self) -> Result<u64, ConfigError> {
        let ms = duration_ms(&self.wait).map_err(|message| ConfigError::value("hold.wait", message))?;
        if ms > limits::HOLD_WAIT_MS_MAX {
            let message = format!(
                "`{}` is over the maximum of 55s: clients give up after a minute",
                self.wait
            );
            return Err(ConfigError::value("hold.wait", message));
        }
        Ok(ms)
    }

    /// `window`, in milliseconds.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is not a duration.
    pub fn window_ms(&self) -> Result<i64, ConfigError> {
        let ms = duration_ms(&self.window).map_err(|message| ConfigError::value("hold.window", message))?;
        Ok(i64::try_from(ms).unwrap_or(i64::MAX).min(limits::TASK_TTL_MS_MAX))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.wait_ms()?;
        self.window_ms()?;
        Ok(())
    }
}
