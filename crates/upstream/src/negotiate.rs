//! Agrees on a revision with a server: the client's own first, the other if need be.

use std::time::Duration;

use remit_core::json::{Object, Value};
use remit_core::limits::UPSTREAM_START_MS_MAX;

use crate::error::{ErrorKind, Sent};
use crate::event::Reply;
use crate::leg::Leg;
use crate::options::{Era, OpenOptions};
use crate::wire::gate::Terms;
use crate::wire::request::{Voice, capabilities, client_info, notification, plain};
use crate::wire::router::{Open, Router};
use crate::wire::{EXCERPT_MAX, Failure, LEGACY, LEGACY_KNOWN, MODERN};

/// How long a server may take to answer the modern question before it is taken for a legacy one. Nearly all legacy servers
/// answer what they do not know with an error at once; the few silent ones cost this much. It must leave time to start: a
/// server of both revisions that is asked the legacy way stays with that.
const PROBE: Duration = Duration::from_secs(8);
const START: Duration = Duration::from_millis(UPSTREAM_START_MS_MAX);

/// What was agreed on, and what the server says of itself. Not scrubbed: fingerprints are made from it.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    pub(crate) era: Era,
    pub(crate) version: String,
    pub(crate) capabilities: Object,
    pub(crate) server_info: Object,
    pub(crate) instructions: Option<String>,
}

/// Why a revision was not agreed on.
enum Miss {
    /// The server does not speak it; the other may do.
    Other(Failure),
    /// There is no point in trying further.
    Hopeless(Failure),
}

/// One negotiation.
pub(crate) struct Negotiation<'a> {
    pub(crate) leg: &'a Leg,
    pub(crate) router: &'a std::sync::Arc<Router>,
    pub(crate) options: &'a OpenOptions,
    pub(crate) terms: &'a Terms,
}

impl Negotiation<'_> {
    /// Agrees on the preferred revision, or on the other one, within the time a start may take.
    pub(crate) async fn agree(&self) -> Result<Agreed, Failure> {
        match tokio::time::timeout(START, self.try_both()).await {
            Ok(agreed) => agreed,
            Err(_) => {
                let detail = format!("nothing was agreed on within {} s", START.as_secs());
                Err(Failure::new(ErrorKind::TimedOut, Sent::Maybe, detail))
            }
        }
    }

    async fn try_both(&self) -> Result<Agreed, Failure> {
        let agreed = match self.options.prefer {
            Era::Modern => match self.modern(PROBE).await {
                Err(Miss::Other(first)) => match self.legacy().await {
                    // It was only slow to start, and the late question made it modern for good.
                    Err(Miss::Other(_)) if first.kind == ErrorKind::TimedOut => self.modern(START).await,
                    agreed => agreed,
                },
                agreed => agreed,
            },
            Era::Legacy => match self.legacy().await {
                Err(Miss::Other(_)) => self.modern(START).await,
                agreed => agreed,
            },
        };
        agreed.map_err(|miss| match miss {
            Miss::Other(failure) | Miss::Hopeless(failure) => failure,
        })
    }

    /// Opens a legacy session anew.
    pub(crate) async fn again(&self) -> Result<(), Failure> {
        match self.legacy().await {
            Ok(_) => Ok(()),
            Err(Miss::Other(failure) | Miss::Hopeless(failure)) => Err(failure),
        }
    }

    async fn modern(&self, patience: Duration) -> Result<Agreed, Miss> {
        self.leg.set_era(Era::Modern);
        let voice = Voice {
            features: &self.options.features,
            elicitation_url: self.options.elicitation_url,
            ..Voice::plain(Era::Modern)
        };
        let request = plain(self.router.next_id(), "server/discover", &Object::new(), voice);
        let gate = self.terms.gate(patience);
        let mut result = match self.leg.exchange(request, Open::default(), &gate).await {
            Ok(Reply::Result(result)) => result,
            Ok(Reply::Error(error)) => {
                let supported = error.data.as_ref().and_then(|data| data.get("supported"));
                return Err(self.unsupported(supported, &format!("error {}: {}", error.code, error.message)));
            }
            Err(failure) => return Err(miss(failure)),
        };
        let versions = result.get("supportedVersions");
        let speaks = versions
            .and_then(Value::as_array)
            .is_some_and(|versions| versions.iter().any(|v| v.as_str() == Some(MODERN)));
        if !speaks {
            return Err(self.unsupported(versions, "no `supportedVersions` it could be spoken to in"));
        }
        let server_info = result
            .get("_meta")
            .and_then(|meta| meta.get("io.modelcontextprotocol/serverInfo"))
            .and_then(Value::as_object)
            .cloned();
        Ok(Agreed {
            era: Era::Modern,
            version: MODERN.to_owned(),
            capabilities: object(result.remove("capabilities")),
            server_info: server_info.unwrap_or_default(),
            instructions: text(result.remove("instructions")),
        })
    }

    /// A server that names the versions it speaks is believed; one that does not is taken for a legacy one.
    fn unsupported(&self, versions: Option<&Value>, said: &str) -> Miss {
        let named: Vec<&str> = versions
            .and_then(Value::as_array)
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let detail = if named.is_empty() {
            said.to_owned()
        } else {
            format!("it speaks {} only", named.join(", "))
        };
        let detail = self.router.scrubber.excerpt(&detail, EXCERPT_MAX);
        let failure = Failure::new(ErrorKind::NotOffered, Sent::Yes, detail);
        if named.is_empty() || named.iter().any(|v| LEGACY_KNOWN.contains(v)) {
            Miss::Other(failure)
        } else {
            Miss::Hopeless(failure)
        }
    }

    async fn legacy(&self) -> Result<Agreed, Miss> {
        self.leg.set_era(Era::Legacy);
        let mut params = Object::new();
        params.insert(
            "capabilities",
            capabilities(&self.options.features, self.options.elicitation_url),
        );
        params.insert("clientInfo", client_info());
        params.insert("protocolVersion", LEGACY);
        let request = plain(
            self.router.next_id(),
            "initialize",
            &params,
            Voice::plain(Era::Legacy),
        );
        let gate = self.terms.gate(START);
        let mut result = match self.leg.exchange(request, Open::default(), &gate).await {
            Ok(Reply::Result(result)) => result,
            Ok(Reply::Error(error)) => {
                let said = format!(
                    "it answered `initialize` with error {}: {}",
                    error.code, error.message
                );
                let said = self.router.scrubber.excerpt(&said, EXCERPT_MAX);
                return Err(Miss::Other(Failure::new(ErrorKind::NotOffered, Sent::Yes, said)));
            }
            Err(failure) => return Err(miss(failure)),
        };
        let Some(version) =
            text(result.remove("protocolVersion")).filter(|v| LEGACY_KNOWN.contains(&v.as_str()))
        else {
            let detail = "it answered `initialize` with a version we do not speak";
            return Err(Miss::Hopeless(Failure::protocol(Sent::Yes, detail)));
        };
        if let Leg::Http(leg) = self.leg {
            leg.agreed(&version);
        }
        self.leg
            .notify(notification("notifications/initialized", Object::new()))
            .await
            .map_err(Miss::Hopeless)?;
        if let Leg::Http(leg) = self.leg {
            leg.start_listening();
        }
        Ok(Agreed {
            era: Era::Legacy,
            version,
            capabilities: object(result.remove("capabilities")),
            server_info: object(result.remove("serverInfo")),
            instructions: text(result.remove("instructions")),
        })
    }
}

fn miss(failure: Failure) -> Miss {
    match failure.kind {
        // A question a server does not know is left unanswered, refused in some way of its own, or answered strangely.
        ErrorKind::TimedOut | ErrorKind::Protocol => Miss::Other(failure),
        ErrorKind::Refused(401 | 403) => Miss::Hopeless(failure),
        ErrorKind::Refused(_) => Miss::Other(failure),
        _ => Miss::Hopeless(failure),
    }
}

fn object(value: Option<Value>) -> Object {
    match value {
        Some(Value::Object(object)) => object,
        _ => Object::new(),
    }
}

fn text(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}
