//! `[credentials.NAME]`: what opens a system and is made for each task, in place of a secret that lies somewhere.

use std::collections::BTreeMap;

use remit_core::name::Name;
use serde::Deserialize;

use super::duration::duration_ms;
use super::error::ConfigError;
use super::server_oauth::UpstreamOauth;

/// `[credentials.NAME]`: `backend` says how it is made.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "backend", rename_all = "kebab-case")]
pub enum Credential {
    /// A child token of a HashiCorp Vault or OpenBao.
    VaultToken(VaultToken),
    /// An installation token of a GitHub App.
    GithubApp(GithubApp),
    /// Temporary keys of an AWS role.
    AwsSts(AwsSts),
    /// A person's access token, kept fresh by a refresh token.
    Oauth(Oauth),
}

/// `backend = "vault-token"`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultToken {
    /// The system it opens.
    pub system: String,
    /// Whose child it is: `[managers.NAME]`.
    pub manager: String,
    /// Token role there.
    pub role: Option<String>,
    /// Its policies; those of the role, or of our own token, when absent.
    #[serde(default)]
    pub policies: Vec<String>,
    /// Its life: renewed by a decision while it is used.
    #[serde(default = "hour")]
    pub ttl: String,
    /// How often it may be used; 0 is without a bound.
    #[serde(default)]
    pub uses: u32,
}

/// `backend = "github-app"`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GithubApp {
    /// The system it opens.
    pub system: String,
    /// The app's client id, or its number.
    pub app: String,
    /// Number of the installation.
    pub installation: u64,
    /// The account the app is installed at: whose repositories a task may name.
    pub owner: String,
    /// Name of the secret with the app's private key.
    pub secret: String,
    /// Permissions, each `read` or `write`; a task that changes nothing gets them as `read`.
    pub permissions: BTreeMap<String, String>,
    /// Address of the API.
    #[serde(default = "github")]
    pub url: String,
    /// The address may be on this machine or in a private network.
    #[serde(default)]
    pub allow_private: bool,
}

/// `backend = "aws-sts"`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsSts {
    /// The system it opens: one whose requests are signed.
    pub system: String,
    /// ARN of the role.
    pub role: String,
    /// Audience of our token, as the role's trust policy asks for it.
    #[serde(default = "sts_audience")]
    pub audience: String,
    /// Life of the keys: nothing takes them back earlier. At least `15m`.
    #[serde(default = "quarter")]
    pub ttl: String,
    /// A session policy (JSON), which can only take rights away.
    pub policy: Option<String>,
    /// Address of STS.
    #[serde(default = "sts")]
    pub url: String,
    /// The address may be on this machine or in a private network.
    #[serde(default)]
    pub allow_private: bool,
}

/// `backend = "oauth"`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oauth {
    /// The system it opens; one credential of this kind each.
    pub system: String,
    /// The authorization server, as its metadata names it.
    pub issuer: String,
    /// Our client there; or let Remit register itself.
    pub client_id: Option<String>,
    /// Its secret, in a file only its owner can read.
    pub client_secret_file: Option<std::path::PathBuf>,
    /// Its ES256 private key (PKCS #8, PEM), in a file only its owner can read: `private_key_jwt`.
    pub private_key_file: Option<std::path::PathBuf>,
    /// We may register ourselves (RFC 7591).
    #[serde(default)]
    pub register: bool,
    /// Scopes to ask for, separated by spaces.
    pub scopes: Option<String>,
    /// `resource` of our requests (RFC 8707); left out when absent, since many providers do not know it.
    pub resource: Option<String>,
    /// The provider supports PKCE with S256 without saying so in its metadata.
    #[serde(default)]
    pub assume_s256: bool,
}

fn hour() -> String {
    "1h".to_owned()
}

fn quarter() -> String {
    "15m".to_owned()
}

fn github() -> String {
    "https://api.github.com".to_owned()
}

fn sts() -> String {
    "https://sts.amazonaws.com".to_owned()
}

fn sts_audience() -> String {
    "sts.amazonaws.com".to_owned()
}

/// Shortest life of keys that STS gives, in milliseconds.
const STS_MS_MIN: i64 = 15 * 60 * 1000;
/// Longest life of anything made here, in milliseconds.
const LIFE_MS_MAX: i64 = 12 * 60 * 60 * 1000;

/// A life, in milliseconds.
///
/// # Errors
/// A sentence.
pub fn life_ms(text: &str) -> Result<i64, String> {
    let ms = i64::try_from(duration_ms(text)?).unwrap_or(i64::MAX);
    if (1000..=LIFE_MS_MAX).contains(&ms) {
        Ok(ms)
    } else {
        Err(format!(
            "`{text}` is no life of a credential: between `1s` and `12h`"
        ))
    }
}

impl Oauth {
    /// The same as it stands at servers.
    #[must_use]
    pub fn at_server(&self) -> UpstreamOauth {
        UpstreamOauth {
            issuer: Some(self.issuer.clone()),
            client_id: self.client_id.clone(),
            client_secret_file: self.client_secret_file.clone(),
            private_key_file: self.private_key_file.clone(),
            register: self.register,
            scopes: self.scopes.clone(),
            assume_s256: self.assume_s256,
            ..UpstreamOauth::default()
        }
    }
}

impl Credential {
    /// The system it opens.
    #[must_use]
    pub fn system(&self) -> &str {
        match self {
            Self::VaultToken(of) => &of.system,
            Self::GithubApp(of) => &of.system,
            Self::AwsSts(of) => &of.system,
            Self::Oauth(of) => &of.system,
        }
    }

    pub(super) fn check(
        &self,
        name: &str,
        managers: &BTreeMap<String, super::Manager>,
    ) -> Result<(), ConfigError> {
        let bad =
            |key: &str, message: &str| Err(ConfigError::value(format!("credentials.{name}{key}"), message));
        if name.parse::<Name>().is_err() {
            return bad(
                "",
                "a name of a credential has lower-case letters, digits and `-`",
            );
        }
        if self.system().parse::<Name>().is_err() {
            return bad(".system", "name the system it opens: `[systems.NAME]`");
        }
        let life = |key: &str, text: &str, least: i64, why: &str| match life_ms(text) {
            Ok(ms) if ms >= least => Ok(()),
            Ok(_) => bad(key, why),
            Err(why) => bad(key, &why),
        };
        match self {
            Self::VaultToken(of) => {
                if !managers.contains_key(&of.manager) {
                    return bad(".manager", "name one of `[managers.NAME]`");
                }
                let odd = |text: &str| text.is_empty() || text.contains(['/', '?', '#', '%', ' ']);
                if of.role.as_deref().is_some_and(odd) || of.policies.iter().any(|policy| odd(policy)) {
                    return bad(
                        ".role",
                        "names of roles and policies have no `/`, `?`, `#`, `%` or space",
                    );
                }
                life(".ttl", &of.ttl, 1000, "")
            }
            Self::GithubApp(of) => {
                if of.secret.parse::<Name>().is_err() {
                    return bad(
                        ".secret",
                        "name a secret of `remit secret list`; the key itself does not belong here",
                    );
                }
                if of.app.is_empty() || of.owner.is_empty() {
                    return bad("", "give `app` and `owner`");
                }
                if of.permissions.is_empty()
                    || of
                        .permissions
                        .values()
                        .any(|level| level != "read" && level != "write")
                {
                    return bad(".permissions", "give at least one, each as `read` or `write`");
                }
                address(name, &of.url)
            }
            Self::AwsSts(of) => {
                if !of.role.starts_with("arn:") {
                    return bad(
                        ".role",
                        "give the ARN of the role: `arn:aws:iam::123456789012:role/NAME`",
                    );
                }
                life(
                    ".ttl",
                    &of.ttl,
                    STS_MS_MIN,
                    "STS gives no shorter life than `15m`",
                )?;
                address(name, &of.url)
            }
            Self::Oauth(of) => {
                if of.client_id.is_none() && !of.register {
                    return bad("", "give `client_id`, or `register = true`");
                }
                of.at_server().check(name)?;
                address(name, &of.issuer)
            }
        }
    }
}

fn address(name: &str, url: &str) -> Result<(), ConfigError> {
    remit_upstream::Endpoint::parse(url)
        .map(drop)
        .map_err(|error| ConfigError::value(format!("credentials.{name}"), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn read(text: &str) -> Result<(), String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.to_string())
    }

    #[test]
    fn each_backend_is_read_and_what_is_odd_is_named() {
        const BAO: &str = "[managers.bao]\nurl = 'https://bao.example'\ntoken = 'env:X'\n[credentials.c]\n";
        let github = "[credentials.c]\nbackend = 'github-app'\nsystem = 'github'\napp = 'Iv1.x'\ninstallation = 7\nowner = 'o'\nsecret = 'key'\n";
        let sts = "[credentials.c]\nbackend = 'aws-sts'\nsystem = 's3'\n";
        let oauth = "[credentials.c]\nbackend = 'oauth'\nsystem = 'crm'\nissuer = 'https://id.example'\n";
        for (text, what) in [
            (
                format!("{BAO}backend = 'vault-token'\nsystem = 'bao'\nmanager = 'bao'"),
                "",
            ),
            (
                format!("{BAO}backend = 'vault-token'\nsystem = 'bao'\nmanager = 'other'"),
                "managers",
            ),
            (
                format!("{BAO}backend = 'vault-token'\nsystem = 'bao'\nmanager = 'bao'\nttl = '0s'"),
                "life",
            ),
            (
                format!("{BAO}backend = 'vault-token'\nsystem = 'bao'\nmanager = 'bao'\nrole = '../x'"),
                "role",
            ),
            (
                format!("{BAO}backend = 'vault-token'\nsystem = 'bao'\nmanager = 'bao'\ntoken = 's.x'"),
                "unknown field",
            ),
            (format!("{github}permissions = {{ contents = 'write' }}"), ""),
            (
                format!("{github}permissions = {{ contents = 'admin' }}"),
                "permissions",
            ),
            (format!("{github}permissions = {{}}"), "permissions"),
            (format!("{sts}role = 'arn:aws:iam::123456789012:role/agents'"), ""),
            (format!("{sts}role = 'agents'"), "ARN"),
            (format!("{sts}role = 'arn:aws:iam::1:role/a'\nttl = '5m'"), "15m"),
            (format!("{oauth}client_id = 'remit'"), ""),
            (oauth.to_owned(), "client_id"),
            (
                "[credentials.c]\nbackend = 'kms'\nsystem = 'x'".to_owned(),
                "unknown variant",
            ),
            (
                format!(
                    "{oauth}client_id = 'a'\n[credentials.d]\nbackend = 'oauth'\nsystem = 'crm'\nissuer = 'https://id.example'\nclient_id = 'b'"
                ),
                "one credential",
            ),
        ] {
            match read(&text) {
                Ok(()) => assert_eq!(what, "", "{text}"),
                Err(why) => assert!(!what.is_empty() && why.contains(what), "{text}: {why}"),
            }
        }
    }
}
