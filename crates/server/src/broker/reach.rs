//! The broker's way outside: every request and every stream is an act of the system, recorded before anything of it
//! leaves, and made by the one dialler.

use std::sync::Arc;
use std::time::Duration;

use remit_broker::port::{Answer, Ask, Body, Http, Pending, Place, Stream, Streams, Unreached};
use remit_core::name::Name;
use remit_enforce::{Act, Bounds, Lifeline, Permitted, System};
use remit_upstream::{Endpoint, FetchBody, FetchRequest, Secret, Target};
use secrecy::ExposeSecret as _;

use crate::app::{App, Failure};
use crate::engine::live::Live;
use crate::engine::record;

/// How long a permit for one request may be used, in milliseconds.
const ACT_MS: u64 = 60_000;
/// Longest wait for one answer.
const WAIT: Duration = Duration::from_secs(15);
/// Longest answer taken, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// The way to one system, for one task or for the house itself.
#[derive(Clone)]
pub struct Reach {
    app: Arc<App>,
    system: Name,
    live: Option<Arc<Live>>,
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reach")
            .field("system", &self.system)
            .finish_non_exhaustive()
    }
}

impl Reach {
    /// For a task: nothing leaves once it is not open.
    ///
    /// # Errors
    /// [`Failure::Invalid`] when `system` is no name.
    pub fn of_task(app: &Arc<App>, system: &str, live: &Arc<Live>) -> Result<Self, Failure> {
        Ok(Self {
            app: Arc::clone(app),
            system: system.parse().map_err(Failure::invalid)?,
            live: Some(Arc::clone(live)),
        })
    }

    /// For the house: what ends credentials, and what no task asked for.
    ///
    /// # Errors
    /// [`Failure::Invalid`] when `system` is no name.
    pub fn of_house(app: &Arc<App>, system: &str) -> Result<Self, Failure> {
        Ok(Self {
            app: Arc::clone(app),
            system: system.parse().map_err(Failure::invalid)?,
            live: None,
        })
    }

    fn lifeline(&self) -> Lifeline {
        self.live
            .as_ref()
            .map_or_else(|| self.app.life.line(), |live| live.lifeline())
    }

    /// Records an act and makes its permit.
    pub(super) async fn act(&self, act: Act, place: &str) -> Result<Permitted<System>, Failure> {
        let app = &self.app;
        let mut entry = match &self.live {
            Some(live) => record::of_live(act.record_kind(), live),
            None => record::of(act.record_kind()),
        };
        entry.detail.insert("system", self.system.as_str());
        entry.detail.insert("place", place);
        let expected = self.live.as_ref().map(|live| live.snapshot().task.id);
        let (receipt, ()) = app
            .store
            .append(entry, move |tx| {
                expected.map_or(Ok(()), |task| remit_store::tasks::expect_open(tx, task))
            })
            .await?;
        let bounds = Bounds {
            deadline: app.clock.boot().plus_ms(ACT_MS),
            lifeline: self.lifeline(),
        };
        let system = System {
            act,
            server: self.system.clone(),
            task: expected,
        };
        app.mint
            .system(system, &receipt, bounds)
            .map_err(Failure::unavailable)
    }

    /// Asks with a credential that stands in a header of its own, or in `Authorization`.
    pub(super) async fn asked(
        &self,
        ask: Ask,
        header: Option<(String, secrecy::SecretString)>,
    ) -> Result<Answer, Unreached> {
        let away = |what: &dyn std::fmt::Display| Unreached::Away(what.to_string());
        let endpoint = Endpoint::parse(&ask.url).map_err(|error| away(&error))?;
        let origin = endpoint.origin();
        let permit = self
            .act(
                Act::Fetch {
                    origin: origin.clone(),
                },
                &origin,
            )
            .await
            .map_err(|failure| away(&failure))?;
        let environment =
            crate::registry::servers::environment(&self.app).map_err(|failure| away(&failure))?;
        let secret = |text: &secrecy::SecretString| Secret::new(text.expose_secret());
        let request = FetchRequest {
            body: match &ask.body {
                Body::Get => FetchBody::Nothing,
                Body::Delete => FetchBody::Delete,
                Body::Form(form) => FetchBody::Form(secret(form)),
                Body::Json(json) => FetchBody::Json(secret(json)),
            },
            authorization: ask.authorization.as_ref().map(secret),
            header: header.as_ref().map(|(name, value)| (name.clone(), secret(value))),
            url: ask.url,
            allow_private: ask.allow_private,
            bytes_max: ANSWER_BYTES_MAX,
            timeout: WAIT,
        };
        let fetched = remit_upstream::fetch(permit, &request, &environment)
            .await
            .map_err(|error| away(&error))?;
        Ok(Answer {
            status: fetched.status,
            body: fetched.body,
        })
    }
}

impl Http for Reach {
    fn ask<'a>(&'a self, ask: Ask) -> Pending<'a, Result<Answer, Unreached>> {
        Box::pin(self.asked(ask, None))
    }
}

impl Streams for Reach {
    fn open<'a>(&'a self, place: &'a Place) -> Pending<'a, Result<Stream, Unreached>> {
        Box::pin(self.opened(place))
    }
}

impl Reach {
    async fn opened(&self, place: &Place) -> Result<Stream, Unreached> {
        let away = |what: &dyn std::fmt::Display| Unreached::Away(what.to_string());
        let target = match place {
            Place::Socket(path) => Target::Socket(path.clone()),
            Place::Host {
                host,
                port,
                tls,
                allow_private,
            } => Target::Host {
                host: host.clone(),
                port: *port,
                tls: *tls,
                allow_private: *allow_private,
            },
        };
        let named = target.to_string();
        let permit = self
            .act(
                Act::Dial {
                    target: named.clone(),
                },
                &named,
            )
            .await
            .map_err(|failure| away(&failure))?;
        let environment =
            crate::registry::servers::environment(&self.app).map_err(|failure| away(&failure))?;
        let stream = remit_upstream::stream(permit, &target, &environment)
            .await
            .map_err(|error| away(&error))?;
        Ok(Box::new(stream))
    }
}
