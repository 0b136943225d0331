//! Streamable HTTP towards servers: who may be dialled, how, and what of the answer is taken.

pub(crate) mod address;
pub(crate) mod courtesy;
pub(crate) mod credential;
pub(crate) mod dial;
pub(crate) mod fetch;
pub(crate) mod leg;
pub(crate) mod pool;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod session;
pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod url;
