//! The way out of a run: the proxy, the run's own certificate authority, and the variables clients read them from.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use remit_server::egress::steering::{self, Trust};
use serde_json::{Value, json};

use crate::control_client::{Control, part};
use crate::failure::Failure;
use crate::fields;

/// How soon a changed authority is in the files of the run.
const FOLLOWED: Duration = Duration::from_secs(1);

/// Where the server says what a run needs for its HTTP.
pub(super) fn path(run: &str) -> String {
    format!("/v1/runs/{}/egress", part(run))
}

/// How the command's HTTP goes through Remit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Through the proxy, which speaks TLS with a certificate authority of the run's own
    Proxy,
    /// Clients that take a base address are pointed at Remit; nothing is intercepted
    BaseUrl,
    /// Not at all
    Off,
}

/// SDKs that take a base address: system, variable, path below it, variable of the key. The run's token is the key: it says
/// who asks, and what opens the system is put in its place once the request is allowed.
const BASES: [(&str, &str, &str, &str); 5] = [
    ("openai", "OPENAI_BASE_URL", "/v1", "OPENAI_API_KEY"),
    ("anthropic", "ANTHROPIC_BASE_URL", "", "ANTHROPIC_API_KEY"),
    ("github", "GITHUB_API_URL", "", "GITHUB_TOKEN"),
    ("s3", "AWS_ENDPOINT_URL_S3", "", AWS_KEY),
    ("sts", "AWS_ENDPOINT_URL_STS", "", AWS_KEY),
];
/// The id of an access key; it stands in what a client signs.
const AWS_KEY: &str = "AWS_ACCESS_KEY_ID";
/// Clients do not sign without one, and what they sign with it is signed anew.
const AWS_SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "unused");
/// It would go with another key.
const AWS_SESSION: &str = "AWS_SESSION_TOKEN";

/// The way out, ready to be put into an environment.
pub(super) struct Egress {
    pub(super) mode: Mode,
    /// The authority its clients trust, in PEM.
    ca: String,
    variables: Vec<(String, OsString)>,
}

impl Egress {
    /// Makes it for a run; `None` when there is none.
    pub(super) fn make(
        asked: Option<Mode>,
        said: &Value,
        token: &str,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let systems = fields::list(said, "systems");
        let mode = asked.unwrap_or(if systems.is_empty() {
            Mode::Off
        } else {
            Mode::Proxy
        });
        let address = fields::text(said, "proxy");
        let variables = match mode {
            Mode::Off => Vec::new(),
            Mode::Proxy => proxy(&address, token, &trust(said, folder)?),
            Mode::BaseUrl => bases(&address, token, systems),
        };
        Ok(Self {
            mode,
            ca: fields::text(said, "ca"),
            variables,
        })
    }

    /// Keeps the files of the authority as the server has it: when the task may use other systems, it is for other hosts. A
    /// client that is started then trusts it for those; one that has read the files before, for what they were.
    pub(super) async fn follow(&self, control: &Control, run: &str, folder: &Path) -> Infallible {
        if self.mode != Mode::Proxy {
            return std::future::pending().await;
        }
        let mut known = self.ca.clone();
        loop {
            tokio::time::sleep(FOLLOWED).await;
            // A server that is away, or a task that ended, changes nothing here.
            let Ok(said) = control.get(&path(run)).await else {
                continue;
            };
            let now = fields::text(&said, "ca");
            if !now.is_empty() && now != known && trust(&said, folder).is_ok() {
                known = now;
            }
        }
    }

    /// Puts its variables into an environment, in place of what stood there.
    pub(super) fn put(&self, into: &mut Vec<(OsString, OsString)>) {
        into.retain(|(name, _)| !self.variables.iter().any(|(ours, _)| name == ours.as_str()));
        if self.variables.iter().any(|(name, _)| name == AWS_KEY) {
            into.retain(|(name, _)| name != AWS_SESSION);
        }
        into.extend(
            self.variables
                .iter()
                .map(|(name, value)| (name.into(), value.clone())),
        );
    }

    /// What was set, by name: values carry the token.
    pub(super) fn said(&self) -> Value {
        let names: Vec<&str> = self.variables.iter().map(|(name, _)| name.as_str()).collect();
        let mode = match self.mode {
            Mode::Proxy => "proxy",
            Mode::BaseUrl => "base-url",
            Mode::Off => "off",
        };
        json!({"event": "egress", "mode": mode, "variables": names})
    }
}

fn trust(said: &Value, folder: &Path) -> Result<Trust, Failure> {
    Trust::write(folder, &fields::text(said, "ca"))
        .map_err(|error| Failure::local(format!("cannot write the authority of the run: {error}")))
}

fn proxy(address: &str, token: &str, trust: &Trust) -> Vec<(String, OsString)> {
    let with_token = address.replacen("http://", &format!("http://run:{token}@"), 1);
    let mut variables = steering::variables(&with_token, trust);
    variables.push(("GIT_HTTP_PROXY_AUTHMETHOD".to_owned(), "basic".into()));
    variables
}

fn bases(address: &str, token: &str, systems: &[Value]) -> Vec<(String, OsString)> {
    let known = |system: &str| systems.iter().any(|one| fields::text(one, "name") == system);
    let mut variables = Vec::new();
    for (system, variable, path, key) in BASES {
        if known(system) {
            variables.push((
                variable.to_owned(),
                format!("{address}/egress/{system}{path}").into(),
            ));
            variables.push((key.to_owned(), token.into()));
        }
    }
    if variables.iter().any(|(name, _)| name == AWS_KEY) {
        variables.push((AWS_SECRET.0.to_owned(), AWS_SECRET.1.into()));
    }
    // Two systems may share a key.
    let mut seen = std::collections::BTreeSet::new();
    variables.retain(|(name, _)| seen.insert(name.clone()));
    variables
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_stood_there_is_replaced_and_the_token_is_not_said() {
        let folder = std::env::temp_dir().join(format!("remit-egress-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let said = json!({"proxy": "http://127.0.0.1:7420", "ca": "PEM", "systems": [{"name": "openai"}]});
        let egress = Egress::make(None, &said, "remit_secret", &folder).unwrap();
        let mut variables = vec![
            ("https_proxy".into(), "http://elsewhere".into()),
            ("PATH".into(), "/bin".into()),
        ];
        egress.put(&mut variables);
        let of = |wanted: &str| {
            let found: Vec<_> = variables.iter().filter(|(name, _)| name == wanted).collect();
            assert_eq!(found.len(), 1, "{wanted}");
            found[0].1.to_string_lossy().into_owned()
        };
        assert_eq!(of("https_proxy"), "http://run:remit_secret@127.0.0.1:7420");
        assert!(
            fs::read_to_string(of("SSL_CERT_FILE"))
                .unwrap()
                .ends_with("\nPEM")
        );
        assert_eq!(fs::read_to_string(of("NODE_EXTRA_CA_CERTS")).unwrap(), "PEM");
        assert!(!egress.said().to_string().contains("secret"));
        let bases = Egress::make(Some(Mode::BaseUrl), &said, "remit_secret", &folder).unwrap();
        assert_eq!(
            bases.said()["variables"],
            json!(["OPENAI_BASE_URL", "OPENAI_API_KEY"])
        );
        let said = json!({"proxy": "http://127.0.0.1:7420", "systems": [{"name": "s3"}, {"name": "sts"}]});
        let aws = Egress::make(Some(Mode::BaseUrl), &said, "remit_secret", &folder).unwrap();
        let mut variables = vec![
            ("AWS_SESSION_TOKEN".into(), "of another key".into()),
            ("AWS_ACCESS_KEY_ID".into(), "AKIAANOTHER".into()),
        ];
        aws.put(&mut variables);
        let names: Vec<_> = variables.iter().map(|(name, _)| name.to_string_lossy()).collect();
        assert_eq!(
            names,
            [
                "AWS_ENDPOINT_URL_S3",
                "AWS_ACCESS_KEY_ID",
                "AWS_ENDPOINT_URL_STS",
                "AWS_SECRET_ACCESS_KEY"
            ]
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
