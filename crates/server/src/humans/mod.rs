//! People at a browser: how they sign in, their sessions, and the pages they see. A session says who a person is; it never
//! acts as an agent, and nothing here is a token of ours.

mod arrive;
mod browser;
mod link;
pub(crate) mod page;
pub(crate) mod provider;
mod router;
pub(crate) mod session;
mod sign_in;

pub use link::create as create_link;
pub use router::router;

pub(crate) use browser::expect_own_page;
pub(crate) use sign_in::{failed, first as sign_in_first, see_other};
