//! What a client says about itself, per request (modern) or per session (legacy).

use remit_core::authority::ClientFeature;
use remit_core::json::{Object, Value};

use crate::ports::Era;
use crate::revision::{META_CAPABILITIES, META_LOG_LEVEL, META_VERSION};
use crate::rpc::RpcError;

use super::level;

/// What the client can do and wants to hear while one request runs.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// The revision.
    pub era: Era,
    /// Server→client requests it can answer.
    pub features: Vec<ClientFeature>,
    /// It can open a URL for a person.
    pub elicitation_url: bool,
    /// Least severe log message it wants. Modern: none when absent. Legacy: the server's choice when absent.
    pub log_level: Option<String>,
    /// Its token for progress notifications: a string or an integer.
    pub progress_token: Option<Value>,
}

impl Client {
    /// A client that declared nothing.
    pub(crate) const fn bare(era: Era) -> Self {
        Self {
            era,
            features: Vec::new(),
            elicitation_url: false,
            log_level: None,
            progress_token: None,
        }
    }

    /// Takes over what a `capabilities` object declares.
    pub(crate) fn declare(&mut self, capabilities: &Object) {
        self.features = ClientFeature::ALL
            .into_iter()
            .filter(|feature| matches!(capabilities.get(feature.as_str()), Some(Value::Object(_))))
            .collect();
        self.elicitation_url = capabilities
            .get(ClientFeature::Elicitation.as_str())
            .and_then(|elicitation| elicitation.get("url"))
            .is_some_and(|url| url.as_object().is_some());
    }

    /// Reads the `_meta` of a modern request, whose version is checked elsewhere. Everything that is not named here
    /// (trace context, client info, other people's keys) ends here.
    ///
    /// # Errors
    /// `-32602` when a required member is missing or a member is of the wrong type.
    pub(crate) fn modern(meta: &mut Object) -> Result<Self, RpcError> {
        let mut client = Self::bare(Era::Modern);
        match meta.get(META_CAPABILITIES) {
            Some(Value::Object(capabilities)) => client.declare(capabilities),
            Some(_) => return Err(wrong(META_CAPABILITIES, "an object")),
            None => return Err(missing(META_CAPABILITIES)),
        }
        client.log_level = match meta.remove(META_LOG_LEVEL) {
            None => None,
            Some(Value::String(text)) if level::severity(&text).is_some() => Some(text),
            Some(_) => return Err(wrong(META_LOG_LEVEL, "a log level such as `info`")),
        };
        client.progress_token = progress_token(meta)?;
        Ok(client)
    }
}

/// The progress token in `_meta`.
///
/// # Errors
/// `-32602` when it is neither a string nor an integer.
pub(crate) fn progress_token(meta: &mut Object) -> Result<Option<Value>, RpcError> {
    match meta.remove("progressToken") {
        None => Ok(None),
        Some(token @ Value::String(_)) => Ok(Some(token)),
        Some(token) if token.as_i64().is_some() => Ok(Some(token)),
        Some(_) => Err(wrong("progressToken", "a string or an integer")),
    }
}

/// The version a request claims in its `_meta`.
///
/// # Errors
/// `-32602` when it is not a string.
pub(crate) fn claimed_version(meta: Option<&Object>) -> Result<Option<&str>, RpcError> {
    match meta.and_then(|meta| meta.get(META_VERSION)) {
        None => Ok(None),
        Some(Value::String(version)) => Ok(Some(version)),
        Some(_) => Err(wrong(META_VERSION, "a string")),
    }
}

/// A required member of `_meta` is not there.
pub(crate) fn missing(key: &str) -> RpcError {
    RpcError::invalid_params(format!("`params._meta` lacks `{key}`, which every request needs"))
        .with_status(http::StatusCode::BAD_REQUEST)
}

fn wrong(key: &str, wanted: &str) -> RpcError {
    RpcError::invalid_params(format!("`{key}` in `params._meta` has to be {wanted}"))
        .with_status(http::StatusCode::BAD_REQUEST)
}
