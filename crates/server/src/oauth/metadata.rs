//! What clients learn about us: RFC 8414, and OpenID Connect Discovery for those who look there only.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use remit_identity::{Algorithm, dpop, pkce};
use serde_json::{Value, json};

use super::resource::SCOPE;
use super::{issuer, token};
use crate::app::App;

/// `/.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`.
pub(crate) async fn document(State(app): State<Arc<App>>) -> Json<Value> {
    let issuer = issuer(&app);
    let at = |path: &str| format!("{issuer}{path}");
    let algorithms = |list: &[Algorithm]| list.iter().map(|alg| alg.as_str()).collect::<Vec<_>>();
    let methods = [
        "none",
        "private_key_jwt",
        "client_secret_basic",
        "client_secret_post",
        "spiffe_jwt",
    ];
    let over_tls = app.tls_url.borrow().clone();
    let mut methods = methods.to_vec();
    if over_tls.is_some() {
        methods.push("spiffe_x509");
    }
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "introspection_endpoint": at("/oauth/introspect"),
        "revocation_endpoint": at("/oauth/revoke"),
        "jwks_uri": at("/oauth/jwks.json"),
        "scopes_supported": [SCOPE, "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": token::GRANTS,
        "code_challenge_methods_supported": [pkce::METHOD],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms(Algorithm::ALL),
        "introspection_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms(Algorithm::ALL),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms(Algorithm::ALL),
        "dpop_signing_alg_values_supported": algorithms(dpop::ALGORITHMS),
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": app.config.oauth.client_documents,
        "authorization_details_types_supported": ["mission_resource_access"],
        "protected_resources": [at("/mcp")],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [Algorithm::Es256.as_str()],
        "tls_client_certificate_bound_access_tokens": over_tls.is_some(),
    });
    // Where certificates can be shown, when that is not where we are otherwise (RFC 8705, 5).
    if let (Some(url), Some(members)) = (over_tls.filter(|url| *url != issuer), document.as_object_mut()) {
        let aliases = json!({
            "token_endpoint": format!("{url}/oauth/token"),
            "introspection_endpoint": format!("{url}/oauth/introspect"),
            "revocation_endpoint": format!("{url}/oauth/revoke"),
        });
        members.insert("mtls_endpoint_aliases".to_owned(), aliases);
    }
    Json(document)
}
