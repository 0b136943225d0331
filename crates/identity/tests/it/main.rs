//! Identity from outside: what is taken, what is refused, and what independent code makes of ours.

#[cfg(test)]
mod dpop;
#[cfg(test)]
mod help;
#[cfg(test)]
mod interop;
#[cfg(test)]
mod jwt;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod spiffe;
#[cfg(test)]
mod token;
#[cfg(test)]
mod wimse;
#[cfg(test)]
mod x509;
