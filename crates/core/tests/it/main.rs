//! The rules of the domain through its public face: authority only shrinks, approvals count people.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod attenuation;
