//! Answers: the upstream's response, or the decision as problem+json (RFC 9457): 403 denied, 202 held.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use remit_core::decision::{Decision, Effect, Reason};
use remit_core::json::{Object, Value};

use super::ResponseBody;
use crate::ports::{self, Answer, AuthFailure};

fn whole(text: String) -> ResponseBody {
    Full::new(Bytes::from(text))
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Nothing.
pub(super) fn empty(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(whole(String::new()));
    *response.status_mut() = status;
    response
}

/// A problem with further members.
pub(super) fn problem(status: StatusCode, detail: &str, mut members: Object) -> Response<ResponseBody> {
    members.insert("type", "about:blank");
    members.insert("title", status.canonical_reason().unwrap_or_default());
    members.insert("status", i64::from(status.as_u16()));
    members.insert("detail", detail);
    let mut response = Response::new(whole(Value::Object(members).to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A decision that lets nothing through.
pub(super) fn refused(decision: &Decision, base_url: &str) -> Response<ResponseBody> {
    let status = match (decision.effect, decision.reason) {
        (Effect::Hold, _) => StatusCode::ACCEPTED,
        (_, Reason::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::FORBIDDEN,
    };
    let mut object = Object::new();
    object.insert("decision", decision.effect.as_str());
    object.insert("reason", decision.reason.as_str());
    object.insert("rule", decision.rules.first().map(String::as_str));
    object.insert("message", decision.message.as_str());
    object.insert("decision_id", decision.id.to_string());
    if let Some(approval) = decision.approval {
        object.insert("approval_id", approval.to_string());
    }
    if !decision.allowed_instead.is_empty() {
        object.insert(
            "allowed_instead",
            decision.allowed_instead.iter().collect::<Value>(),
        );
    }
    let mut response = problem(status, &decision.message, object);
    if decision.effect == Effect::Hold
        && let Some(approval) = decision.approval
        && let Ok(location) = HeaderValue::from_str(&format!("{base_url}/egress/-/approvals/{approval}"))
    {
        response.headers_mut().insert(header::LOCATION, location);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// No session. A proxy asks for credentials in its own way.
pub(super) fn unauthenticated(failure: &AuthFailure, proxy: bool) -> Response<ResponseBody> {
    let mut object = Object::new();
    let status = match (failure, proxy) {
        (AuthFailure::Unavailable(_), _) => StatusCode::SERVICE_UNAVAILABLE,
        (AuthFailure::Uncaused(_), _) => StatusCode::FORBIDDEN,
        (_, true) => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        (_, false) => StatusCode::UNAUTHORIZED,
    };
    let reason = match failure {
        AuthFailure::Missing => Reason::NoTask,
        AuthFailure::Unknown => Reason::CredentialInvalid,
        AuthFailure::TaskEnded(_) => Reason::TaskEnded,
        AuthFailure::Uncaused(_) => Reason::OutOfAuthority,
        AuthFailure::Unavailable(_) => Reason::Unavailable,
    };
    object.insert("decision", "deny");
    object.insert("reason", reason.as_str());
    let mut response = problem(status, &failure.to_string(), object);
    let name = match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Some(header::PROXY_AUTHENTICATE),
        StatusCode::UNAUTHORIZED => Some(header::WWW_AUTHENTICATE),
        _ => None,
    };
    if let Some(name) = name {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static("Basic realm=\"remit\""));
    }
    response
}

/// Whatever came of a call.
pub(super) fn answer(answer: Answer, base_url: &str) -> Response<ResponseBody> {
    match answer {
        Answer::Response(response) => passed_on(response),
        Answer::Refused(decision) => refused(&decision, base_url),
        Answer::Failed { sentence, certain } => {
            let what = if certain {
                "It was not done; trying again is safe."
            } else {
                "It may or may not have been done. Do not repeat it blindly: look at the state first."
            };
            let mut object = Object::new();
            object.insert("outcome", if certain { "failed" } else { "indeterminate" });
            problem(StatusCode::BAD_GATEWAY, &format!("{sentence}. {what}"), object)
        }
    }
}

fn passed_on(response: ports::Response) -> Response<ResponseBody> {
    let body = futures_util::stream::unfold(response.body, |mut body| async move {
        let piece = body.recv().await?;
        Some((piece.map(hyper::body::Frame::data), body))
    });
    let mut passed = Response::new(StreamBody::new(body).boxed_unsync());
    *passed.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in &response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            passed.headers_mut().append(name, value);
        }
    }
    if let Some(length) = response.length {
        passed
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    passed
}
