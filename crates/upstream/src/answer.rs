//! Answers to what servers ask: they leave us, so they carry a permit; refusals are fixed sentences.

use std::sync::Arc;
use std::time::Duration;

use remit_core::call::Operation;
use remit_core::limits::UPSTREAM_CALL_MS_MAX;
use remit_core::name::Name;
use remit_core::time::Clock;
use remit_enforce::Permit;

use crate::error::{ErrorKind, Sent};
use crate::event::ClientRefusal;
use crate::wire::Failure;
use crate::wire::request::{answer, refusal};
use crate::wire::router::Ask;

/// Turns answers into bytes.
#[derive(Clone)]
pub(crate) struct Answering {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) server: Name,
}

/// A message that may be written.
pub(crate) struct Settled {
    pub(crate) body: Vec<u8>,
    /// What allows it; nothing for fixed sentences of ours.
    permit: Option<Permit>,
}

impl Settled {
    /// A message that holds nothing of anybody's.
    pub(crate) const fn ours(body: Vec<u8>) -> Self {
        Self { body, permit: None }
    }
}

impl Answering {
    /// Waits for the answer, as long as a call may take, and writes it down.
    pub(crate) async fn settle(&self, ask: Ask) -> Settled {
        let patience = Duration::from_millis(UPSTREAM_CALL_MS_MAX);
        let refuse = |why| {
            let (code, message) = match why {
                ClientRefusal::NotAvailable => (-32601, "not available"),
                ClientRefusal::Declined => (-32603, "the client did not answer this"),
            };
            Settled::ours(refusal(&ask.id, code, message))
        };
        match tokio::time::timeout(patience, ask.answer).await {
            Ok(Ok(Ok(permitted))) => {
                let (call, permit) = permitted.into_parts();
                if call.operation != Operation::AnswerServer(ask.feature) || call.server != self.server {
                    tracing::error!(server = %self.server, "an answer came with a permit for something else");
                    return refuse(ClientRefusal::NotAvailable);
                }
                Settled {
                    body: answer(&ask.id, &call.arguments),
                    permit: Some(permit),
                }
            }
            Ok(Ok(Err(why))) => refuse(why),
            Ok(Err(_)) | Err(_) => refuse(ClientRefusal::NotAvailable),
        }
    }

    /// Asked directly before the first byte of the message leaves.
    pub(crate) fn check(&self, message: &Settled) -> Result<(), Failure> {
        match &message.permit {
            Some(permit) if !permit.is_fresh(self.clock.boot()) => {
                Err(Failure::new(ErrorKind::NotFresh, Sent::No, ""))
            }
            _ => Ok(()),
        }
    }
}
