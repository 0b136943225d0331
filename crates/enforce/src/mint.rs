//! The mint: the only place where a [`Permitted`] comes into being.

use remit_core::call::Call;
use remit_core::decision::Effect;
use remit_core::id::DecisionId;
use remit_core::time::BootTime;
use remit_policy::Allow;
use remit_store::Receipt;

use crate::lifeline::Lifeline;
use crate::permit::{Act, Permit, Permitted, System};

/// Makes permits. Built once, at start, by whoever wires the process.
#[derive(Debug)]
pub struct Mint(());

/// A receipt that does not stand for what it is presented for. Nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} does not stand for this: {why}")]
pub struct Mismatch {
    /// The record presented.
    pub seq: u64,
    /// What does not fit.
    pub why: &'static str,
}

impl Mint {
    /// The mint of one process. The wiring in `remit-server` makes it once and hands it to the engine alone.
    #[must_use]
    pub const fn at_start() -> Self {
        Self(())
    }

    /// A permit for a call that policy allows and whose decision record is durable.
    ///
    /// # Errors
    /// [`Mismatch`] when the allow, the record and the call are not about the same bytes, or the record does not say allow.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an allow is spent by minting: it cannot be presented twice"
    )]
    pub fn call(
        &self,
        allow: Allow,
        receipt: &Receipt,
        call: Call,
        bounds: Bounds,
    ) -> Result<Permitted<Call>, Mismatch> {
        let mismatch = |why| Mismatch {
            seq: receipt.seq(),
            why,
        };
        let digest = call.digest();
        if allow.call() != digest {
            return Err(mismatch("policy allowed another call"));
        }
        if receipt.digest() != Some(digest) {
            return Err(mismatch("it records another call"));
        }
        if receipt.decision() != Some(Effect::Allow.as_str()) {
            return Err(mismatch("it does not record an allow"));
        }
        let decision: Option<DecisionId> = receipt.decision_id().and_then(|id| id.parse().ok());
        if decision.is_none() {
            return Err(mismatch("it names no decision"));
        }
        Ok(Permitted {
            inner: call,
            permit: bounds.permit(decision, receipt),
        })
    }

    /// One permit for a call that several authorities allow, each by a decision of its own: narrower than any of theirs.
    /// It is over with the first of them; its decision and record are those of `first`.
    ///
    /// # Errors
    /// [`Mismatch`] when one of them is for another call.
    pub fn together(
        &self,
        first: Permitted<Call>,
        others: Vec<Permitted<Call>>,
    ) -> Result<Permitted<Call>, Mismatch> {
        let digest = first.inner.digest();
        let mut one = first;
        for other in others {
            if other.inner.digest() != digest {
                return Err(Mismatch {
                    seq: other.permit.seq,
                    why: "it is for another call",
                });
            }
            let (own, more) = (&one.permit, other.permit);
            let permit = Permit {
                decision: own.decision,
                seq: own.seq,
                deadline: own.deadline.min(more.deadline),
                lifeline: own.lifeline.clone().and(more.lifeline),
            };
            one.permit = permit;
        }
        Ok(one)
    }

    /// A permit for an act of the system itself, whose record is durable.
    ///
    /// # Errors
    /// [`Mismatch`] when the record is not one of such an act.
    pub fn system(
        &self,
        act: System,
        receipt: &Receipt,
        bounds: Bounds,
    ) -> Result<Permitted<System>, Mismatch> {
        if receipt.kind() != act.act.record_kind() {
            return Err(Mismatch {
                seq: receipt.seq(),
                why: "it records something else",
            });
        }
        Ok(Permitted {
            inner: act,
            permit: bounds.permit(None, receipt),
        })
    }
}

/// How long a permit may be used.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Not to be used from this moment on.
    pub deadline: BootTime,
    /// Goes when the authority goes.
    pub lifeline: Lifeline,
}

impl Bounds {
    pub(crate) fn permit(self, decision: Option<remit_core::id::DecisionId>, receipt: &Receipt) -> Permit {
        Permit {
            decision,
            seq: receipt.seq(),
            deadline: self.deadline,
            lifeline: self.lifeline,
        }
    }
}

impl Act {
    /// The kind of the record that stands for this act.
    #[must_use]
    pub const fn record_kind(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Introspect => "introspect",
            Self::Fetch { .. } => "fetch",
            Self::Dial { .. } => "dial",
        }
    }
}
