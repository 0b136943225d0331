//! The crate from outside.

mod normal_form;
mod shipped;
