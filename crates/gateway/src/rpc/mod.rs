//! JSON-RPC 2.0: one message in, one message out.

mod error;
mod id;
mod incoming;
mod write;

pub(crate) use error::{
    Fault, HEADER_MISMATCH, INTERNAL, INVALID_PARAMS, METHOD_NOT_FOUND, NOT_FOUND_LEGACY, RpcError,
    UNSUPPORTED_VERSION,
};
pub(crate) use id::Id;
pub(crate) use incoming::{Incoming, read};
pub(crate) use write::{answers, error, notification, request, response};
