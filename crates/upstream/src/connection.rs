//! A connection to one server: the only place where a permit turns into bytes.

mod inner;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use remit_confine::{Confinement, ProcessId};
use remit_core::call::{Call, Operation};
use remit_core::json::Object;
use remit_core::name::Name;
use remit_enforce::{Act, Permitted, System};
use tokio::sync::mpsc;

use crate::environment::Environment;
use crate::error::{ErrorKind, Sent, UpstreamError};
use crate::event::{Reply, RpcError, UpstreamEvent};
use crate::introspect::{self, Introspection};
use crate::leg::Leg;
use crate::notices::Notices;
use crate::options::{CallOptions, Era, OpenOptions};
use crate::spec::ServerSpec;
use crate::subscription::{self, Subscription};
use crate::wire::Failure;
use crate::wire::gate::Terms;

pub(crate) use inner::Inner;

/// A connection to one server, for one task or shared. Cheap to clone; it closes when the last clone is dropped, or when
/// the authority it was opened with goes away.
#[derive(Clone)]
pub struct Connection(pub(crate) Arc<Inner>);

impl Connection {
    /// Starts or connects to the server and agrees on a revision. Fails after 30 s at the latest.
    ///
    /// # Errors
    /// [`UpstreamError`]; a server that was started is gone again then.
    pub async fn open(
        permitted: Permitted<System>,
        spec: &ServerSpec,
        options: OpenOptions,
        environment: &Environment,
    ) -> Result<(Self, Notices), UpstreamError> {
        let (system, permit) = permitted.into_parts();
        if system.act != Act::Connect || system.server != spec.name {
            return Err(wrong_permit(&spec.name));
        }
        let terms = Terms::of(&permit, &environment.clock);
        Self::open_on(&terms, spec, options, environment)
            .await
            .map_err(|e| e.at(&spec.name, &environment.scrubber))
    }

    pub(crate) async fn open_on(
        terms: &Terms,
        spec: &ServerSpec,
        options: OpenOptions,
        environment: &Environment,
    ) -> Result<(Self, Notices), Failure> {
        let (inner, notices) = Inner::open(terms, spec, options, environment).await?;
        Ok((Self(inner), notices))
    }

    /// The revision agreed on.
    #[must_use]
    pub fn era(&self) -> Era {
        self.0.agreed.era
    }

    /// The protocol version agreed on, a date.
    #[must_use]
    pub fn protocol_version(&self) -> &str {
        &self.0.agreed.version
    }

    /// What the server says it can do. Not scrubbed.
    #[must_use]
    pub fn capabilities(&self) -> &Object {
        &self.0.agreed.capabilities
    }

    /// What the server says it is. Not scrubbed.
    #[must_use]
    pub fn server_info(&self) -> &Object {
        &self.0.agreed.server_info
    }

    /// The server's instructions. Not scrubbed.
    #[must_use]
    pub fn instructions(&self) -> Option<&str> {
        self.0.agreed.instructions.as_deref()
    }

    /// How the server is shut in; `None` when we did not start it.
    #[must_use]
    pub fn confinement(&self) -> Option<&Confinement> {
        match &self.0.leg {
            Leg::Stdio(leg) => Some(&leg.confinement),
            Leg::Http(_) => None,
        }
    }

    /// The server's process; `None` when we did not start it.
    #[must_use]
    pub fn process(&self) -> Option<ProcessId> {
        match &self.0.leg {
            Leg::Stdio(leg) => Some(leg.process),
            Leg::Http(_) => None,
        }
    }

    /// The end of the server's standard error on one line, scrubbed; empty when we did not start it.
    #[must_use]
    pub fn last_words(&self) -> String {
        match &self.0.leg {
            Leg::Stdio(leg) => leg.last_words(),
            Leg::Http(_) => String::new(),
        }
    }

    /// Reads everything the server offers, for the registry.
    ///
    /// # Errors
    /// [`UpstreamError`]; also when it offers more than we take.
    pub async fn introspect(&self, permitted: Permitted<System>) -> Result<Introspection, UpstreamError> {
        let (system, permit) = permitted.into_parts();
        if system.act != Act::Introspect || system.server != self.0.server {
            return Err(wrong_permit(&self.0.server));
        }
        let terms = Terms::of(&permit, self.0.clock());
        introspect::read(&self.0, &terms)
            .await
            .map_err(|e| self.0.error(e))
    }

    /// Sends one call and waits for its answer. What happens meanwhile goes to `events`; when nobody listens there any
    /// more, the call is cancelled.
    ///
    /// # Errors
    /// [`UpstreamError`], which says how far the call got.
    pub async fn send(
        &self,
        permitted: Permitted<Call>,
        options: CallOptions,
        events: mpsc::Sender<UpstreamEvent>,
    ) -> Result<Reply, UpstreamError> {
        let (call, permit) = permitted.into_parts();
        let server = &self.0.server;
        let takes = !matches!(
            call.operation,
            Operation::AnswerServer(_) | Operation::Subscribe(_) | Operation::Issue(_)
        );
        if call.server != *server || !takes {
            return Err(wrong_permit(server));
        }
        let terms = Terms::of(&permit, self.0.clock());
        self.0
            .call(&call, &terms, &options, events)
            .await
            .map_err(|e| self.0.error(e))
    }

    /// Subscribes to a resource; its changes come as [`Notice::ResourceUpdated`](crate::Notice::ResourceUpdated) until the
    /// subscription is ended or dropped, or the authority goes away.
    ///
    /// # Errors
    /// [`UpstreamError`]; the inner error is the server's own refusal.
    pub async fn subscribe(
        &self,
        permitted: Permitted<Call>,
    ) -> Result<Result<Subscription, RpcError>, UpstreamError> {
        let (call, permit) = permitted.into_parts();
        if call.server != self.0.server {
            return Err(wrong_permit(&self.0.server));
        }
        let terms = Terms::of(&permit, self.0.clock());
        subscription::open(&self.0, &call, &terms)
            .await
            .map_err(|e| self.0.error(e))
    }

    /// True when the connection is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.leg.life().is_over()
    }

    /// Waits until the connection is over and says why in a sentence.
    pub async fn closed(&self) -> String {
        self.0.leg.life().over().await.explain()
    }

    /// Closes the connection. For a server we started: until it and everything it started are gone.
    pub async fn close(&self) {
        self.0.leg.close().await;
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("server", &self.0.server)
            .field("era", &self.0.agreed.era)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

fn wrong_permit(server: &Name) -> UpstreamError {
    UpstreamError {
        server: server.clone(),
        kind: ErrorKind::WrongPermit,
        sent: Sent::No,
        detail: String::new(),
    }
}
