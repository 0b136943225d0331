//! `[issuer]`: the lives of keys, certificates and tokens for other audiences.

use remit_core::limits::FOREIGN_TOKEN_MS_MAX;
use remit_identity::Lives;
use serde::Deserialize;

use super::duration::duration_ms;
use super::error::ConfigError;

/// `[issuer]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Issuer {
    /// Life of a token or JWT-SVID for another audience: `"5m"` at most.
    pub token_life: String,
    /// Life of an X.509-SVID: `"1h"`; at most a quarter of `ca_life`.
    pub svid_life: String,
    /// Life of a CA certificate: `"7d"`; the next one is made after half of it.
    pub ca_life: String,
    /// How long one key signs tokens: `"1d"`.
    pub key_life: String,
    /// The environment this installation stands in, as tokens say it: `production`, `staging` …
    pub environment: String,
    /// Our issuer URL, where others reach us by another name than agents do.
    pub url: Option<String>,
}

impl Default for Issuer {
    fn default() -> Self {
        Self {
            token_life: "5m".to_owned(),
            svid_life: "1h".to_owned(),
            ca_life: "7d".to_owned(),
            key_life: "1d".to_owned(),
            environment: "local".to_owned(),
            url: None,
        }
    }
}

/// The lives in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct IssuerLives {
    /// Of a token for another audience.
    pub token_ms: i64,
    /// Of an X.509-SVID.
    pub svid_ms: i64,
    /// Of a CA certificate.
    pub ca_ms: i64,
    /// Rotation of token keys.
    pub keys: Lives,
    /// Rotation of CAs.
    pub cas: Lives,
}

impl Issuer {
    /// The lives, checked.
    ///
    /// # Errors
    /// [`ConfigError::Value`] naming the key.
    pub fn lives(&self) -> Result<IssuerLives, ConfigError> {
        let ms = |key: &str, text: &str| {
            let ms =
                duration_ms(text).map_err(|message| ConfigError::value(format!("issuer.{key}"), message))?;
            Ok(i64::try_from(ms).unwrap_or(i64::MAX))
        };
        let token_ms = ms("token_life", &self.token_life)?;
        let svid_ms = ms("svid_life", &self.svid_life)?;
        let ca_ms = ms("ca_life", &self.ca_life)?;
        let key_ms = ms("key_life", &self.key_life)?;
        if !(1000..=FOREIGN_TOKEN_MS_MAX).contains(&token_ms) {
            return Err(ConfigError::value(
                "issuer.token_life",
                "a token for another audience lives between 1s and 5m",
            ));
        }
        if svid_ms < 4000 || svid_ms > ca_ms / 4 {
            return Err(ConfigError::value(
                "issuer.svid_life",
                "an X.509-SVID lives at least 4s and at most a quarter of `ca_life`",
            ));
        }
        if key_ms < 2 * token_ms {
            return Err(ConfigError::value(
                "issuer.key_life",
                "a key signs at least twice as long as its tokens live",
            ));
        }
        Ok(IssuerLives {
            token_ms,
            svid_ms,
            ca_ms,
            keys: Lives {
                signs_ms: key_ms,
                ahead_ms: key_ms / 4,
                after_ms: token_ms + 2 * remit_core::limits::CLOCK_SKEW_MS_MAX,
            },
            cas: Lives {
                signs_ms: ca_ms / 2,
                ahead_ms: ca_ms / 8,
                after_ms: svid_ms + 2 * remit_core::limits::CLOCK_SKEW_MS_MAX,
            },
        })
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.lives()?;
        if let Some(issuer) = &self.url {
            let loopback = ["http://127.0.0.1", "http://localhost", "http://[::1]"]
                .iter()
                .any(|start| {
                    issuer
                        .strip_prefix(start)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
                });
            let origin = issuer.splitn(4, '/').count() == 3 && !issuer.contains(['?', '#', '@', '"', ' ']);
            if !(issuer.starts_with("https://") || loopback) || !origin {
                return Err(ConfigError::value(
                    "issuer.url",
                    "write an origin without a path: `https://host[:port]`, or `http` on loopback",
                ));
            }
        }
        Ok(())
    }
}
