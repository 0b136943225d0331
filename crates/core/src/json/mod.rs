//! The one JSON of the data path: a strict parser, a value that is canonical at all times, and its
//! canonical bytes.
//!
//! *What is checked is what is sent* needs one reading of every document. So [`parse`] refuses whatever
//! two readers could take in two ways (duplicate keys, lone surrogates, numbers a double cannot carry),
//! [`Object`] keeps its members unique and in the order of RFC 8785, and [`Value::to_canonical`] gives the
//! bytes that are decided, hashed, approved and forwarded.
//!
//! ```
//! use remit_core::json::{self, Bounds};
//!
//! let value = json::parse(br#"{ "to": "ops", "amount": 1.50e2 }"#, &Bounds::REQUEST)?;
//! assert_eq!(value.to_string(), r#"{"amount":150,"to":"ops"}"#);
//! assert_eq!(value.pointer("/amount").and_then(json::Value::as_i64), Some(150));
//! # Ok::<(), json::Error>(())
//! ```

mod bounds;
mod build;
mod error;
mod number;
mod object;
mod order;
mod parse;
mod pointer;
mod scan;
mod string;
mod value;
mod write;

pub use crate::{array, object};
pub use bounds::{Bounds, Nul, Numbers};
pub use error::{Error, ErrorKind};
pub use number::{MAX_SAFE_INTEGER, NotANumber, Number};
pub use object::Object;
pub use order::utf16_order;
pub use parse::parse;
pub use value::Value;
