//! A permit has no public constructor of any kind.

use remit_core::call::Call;
use remit_enforce::{Permit, Permitted};

pub fn by_default() -> Permit {
    Default::default() //~ E0277
}

pub fn wrapped_by_default() -> Permitted<Call> {
    Default::default() //~ E0277
}

pub fn converted(call: Call) -> Permitted<Call> {
    call.into() //~ E0277
}

pub fn converted_with_a_permit(call: Call, permit: Permit) -> Permitted<Call> {
    (call, permit).into() //~ E0277
}

pub fn parsed(text: &str) -> Permit {
    text.parse().unwrap() //~ E0277
}

pub fn altered(permitted: &mut Permitted<Call>, other: Call) {
    permitted.inner = other; //~ E0616
}
