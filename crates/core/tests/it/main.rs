//! The rules of the domain through its public face: authority only shrinks, approvals count people.

mod approvals;
mod attenuation;
