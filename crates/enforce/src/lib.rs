//! Joins the policy's Allow and the store's receipt into a [`Permit`]; the only mint.
//!
//! Nothing reaches an upstream without a [`Permitted`] value, and [`Permitted`] has no public constructor: only
//! [`Mint`] makes one, and there is one mint per process, made at start.

mod lifeline;
mod mint;
mod permit;

pub use lifeline::{Cut, Lifeline, LifelineHolder};
pub use mint::{Bounds, Mint, Mismatch};
pub use permit::{Act, Permit, Permitted, System};
