//! Tests of the policy crate through its public API.

#[cfg(test)]
mod decide;
#[cfg(test)]
mod delegation;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod load;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod redeem;
#[cfg(test)]
mod templates;
