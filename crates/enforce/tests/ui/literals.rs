//! Neither a permit nor what it is made of can be written down: their fields are private.

use remit_core::call::Call;
use remit_core::digest::Digest;
use remit_core::time::BootTime;
use remit_enforce::{Lifeline, Permit, Permitted};
use remit_policy::Allow;
use remit_store::Receipt;

pub fn a_permit(lifeline: Lifeline) -> Permit {
    Permit {
        decision: None, //~ E0451
        seq: 0,
        deadline: BootTime(u64::MAX),
        lifeline,
    }
}

pub fn a_permitted_call(inner: Call, permit: Permit) -> Permitted<Call> {
    Permitted {
        inner, //~ E0451
        permit,
    }
}

pub fn the_permit_of_another_call(inner: Call, other: Permitted<Call>) -> Permitted<Call> {
    Permitted {
        inner, //~ E0451
        ..other
    }
}

pub fn an_allow(call: Digest, other: Allow) -> Allow {
    Allow {
        call, //~ E0451
        ..other
    }
}

pub fn a_receipt(digest: Digest, other: Receipt) -> Receipt {
    Receipt {
        digest: Some(digest), //~ E0451
        ..other
    }
}
