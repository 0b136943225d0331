//! The crate from outside.

#[cfg(test)]
mod normal_form;
#[cfg(test)]
mod shipped;
