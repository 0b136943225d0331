//! Neither a permit nor an allow can be copied.

use remit_core::call::Call;
use remit_enforce::Permitted;
use remit_policy::Allow;

pub fn a_permitted_call(permitted: &Permitted<Call>) -> Permitted<Call> {
    permitted.clone() //~ E0308
}

pub fn an_allow(allow: &Allow) -> Allow {
    allow.clone() //~ E0308
}
