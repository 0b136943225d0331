//! The whole engine over real HTTP: a stub upstream, the real gateway, the real store.

mod calls;
mod house;
mod stub;
