//! One of the two ways to talk to a server.

use std::sync::Arc;

use crate::answer::Settled;
use crate::event::Reply;
use crate::http::leg::HttpLeg;
use crate::options::Era;
use crate::stdio::leg::StdioLeg;
use crate::wire::Failure;
use crate::wire::gate::Gate;
use crate::wire::life::Life;
use crate::wire::request::Outgoing;
use crate::wire::router::Open;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) enum Leg {
    Stdio(Arc<StdioLeg>),
    Http(Arc<HttpLeg>),
}

impl Leg {
    pub(crate) async fn exchange(
        &self,
        request: Outgoing,
        open: Open,
        gate: &Gate,
    ) -> Result<Reply, Failure> {
        match self {
            Self::Stdio(leg) => leg.exchange(request, open, gate).await,
            Self::Http(leg) => leg.exchange(request, open, gate).await,
        }
    }

    /// Sends a notification of ours.
    pub(crate) async fn notify(&self, body: Vec<u8>) -> Result<(), Failure> {
        let message = Settled::ours(body);
        match self {
            Self::Stdio(leg) => leg.tell(message).await,
            Self::Http(leg) => leg.tell(message).await,
        }
    }

    pub(crate) fn set_era(&self, era: Era) {
        match self {
            Self::Stdio(leg) => leg.set_era(era),
            Self::Http(leg) => leg.set_era(era),
        }
    }

    pub(crate) fn life(&self) -> &Life {
        match self {
            Self::Stdio(leg) => &leg.life,
            Self::Http(leg) => &leg.life,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Stdio(leg) => leg.close().await,
            Self::Http(leg) => leg.close().await,
        }
    }
}
