//! The waiting room: cards, verdicts, grants.

pub mod card;
pub mod inspect;
pub mod vote;
