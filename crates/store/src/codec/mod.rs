//! Domain types as JSON and back: one spelling, strictly read. Rows, API and templates share it.
//!
//! Every `…_to_json` has a `…_from_json` that refuses unknown, missing and ill-formed members and says where.

mod approval;
mod authority;
mod call;
mod fields;
mod people;
mod run;
mod tool;

#[cfg(test)]
mod tests;

pub use approval::{
    bound_from_json, bound_to_json, requirement_from_json, requirement_to_json, salient_from_json,
    salient_to_json, vote_from_json, vote_to_json,
};
pub use authority::{
    argument_bound_from_json, argument_bound_to_json, authority_from_json, authority_to_json,
    budget_from_text, budget_to_text,
};
pub use call::{call_from_json, call_to_json};
pub use fields::{BadJson, Fields, read, text_list, texts};
pub use people::{labels_from_json, labels_to_json, roles_from_json, roles_to_json};
pub use run::{process_from_json, process_to_json};
pub use tool::{classification_from_json, classification_to_json};
