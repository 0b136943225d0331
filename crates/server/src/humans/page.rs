//! Pages: rendered here, without scripts, under a policy that lets nothing else in.

use std::sync::OnceLock;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use remit_core::digest::Digest;

const STYLE: &str = include_str!("style.css");

/// A page; its forms may lead to `form_targets` beyond ourselves.
pub(crate) fn page(
    status: StatusCode,
    title: &str,
    body: &Markup,
    form_targets: &[String],
) -> Response<Body> {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " - Remit" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { span class="mark" { "Remit" } }
                main { (body) }
            }
        }
    };
    let mut response = Response::new(Body::from(markup.into_string()));
    *response.status_mut() = status;
    let targets: String = form_targets.iter().map(|target| format!(" {target}")).collect();
    let policy = format!(
        "default-src 'none'; style-src '{}'; form-action 'self'{targets}; base-uri 'none'; frame-ancestors 'none'",
        style_hash()
    );
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: forms would come without their origin.
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = HeaderValue::from_str(&policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; form-action 'self'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// A page that says one thing.
pub(crate) fn message(status: StatusCode, title: &str, text: &str) -> Response<Body> {
    let body = html! { h1 { (title) } p { (text) } };
    page(status, title, &body, &[])
}

fn style_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        format!(
            "sha256-{}",
            STANDARD.encode(Digest::of(STYLE.as_bytes()).as_bytes())
        )
    })
}
