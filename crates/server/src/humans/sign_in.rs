//! Signing in: what people see first, the link of local people, and the way back to what they wanted.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use maud::html;
use remit_core::digest::Digest;
use remit_core::json::Object;
use remit_identity::{base64url, base64url_decode};
use remit_store::handles::{self, Kind, State as HandleState};

use super::page::{message, page};
use super::{expect_own_page, session};
use crate::app::{App, Failure};
use crate::oauth::Form;
use crate::seal::Sealer;

/// How long the way back is remembered, in seconds.
const BACK_S: i64 = 10 * 60;

/// Sends a person to sign in, and back to `path` afterwards.
pub(crate) fn first(app: &App, path: &str) -> Result<Response<Body>, Failure> {
    let sealed = sealer(app)?.seal("way back", path.as_bytes(), &*app.entropy)?;
    let back = session::set_cookie(app, "back", &base64url(&sealed), BACK_S)?;
    let mut response = see_other("/sign-in")?;
    response.headers_mut().append(header::SET_COOKIE, back);
    Ok(response)
}

/// The sealer of what a browser carries for us.
pub(super) fn sealer(app: &App) -> Result<Sealer, Failure> {
    Ok(Sealer::new(&app.keys.state.derive("browser"))?)
}

/// Goes on after signing in: to where the person wanted, or to a page that says it is done.
pub(super) fn go_on(app: &App, headers: &HeaderMap, cookie: HeaderValue) -> Result<Response<Body>, Failure> {
    let back = session::cookie(app, headers, "back")
        .and_then(base64url_decode)
        .and_then(|sealed| sealer(app).ok()?.open("way back", &sealed).ok())
        .and_then(|path| String::from_utf8(path).ok());
    let mut response = see_other(back.as_deref().unwrap_or("/sign-in"))?;
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, cookie);
    headers.append(header::SET_COOKIE, session::set_cookie(app, "back", "", 0)?);
    Ok(response)
}

/// 303: the browser goes on with a GET.
pub(crate) fn see_other(place: &str) -> Result<Response<Body>, Failure> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let place = HeaderValue::from_str(place).map_err(Failure::invalid)?;
    response.headers_mut().insert(header::LOCATION, place);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A failure as a page.
pub(crate) fn failed(failure: &Failure) -> Response<Body> {
    let (status, title) = match failure {
        Failure::Invalid(_) => (StatusCode::BAD_REQUEST, "This cannot be read"),
        Failure::NotFound(_) => (StatusCode::NOT_FOUND, "There is no such thing"),
        Failure::Forbidden(_) => (StatusCode::FORBIDDEN, "This is not allowed"),
        Failure::Conflict(_) | Failure::NeedsReauth(_) => (StatusCode::CONFLICT, "This is not possible now"),
        Failure::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Not available"),
    };
    message(status, title, &failure.to_string())
}

/// `GET /sign-in`
pub(super) async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Response<Body> {
    match session::current(&app, &headers).await {
        Err(failure) => failed(&failure),
        Ok(Some(session)) => {
            let body = html! {
                h1 { "You are signed in as " (session.human.as_str()) }
                p class="soft" { "You can close this page, or go back to what you were doing." }
                form method="post" action="/sign-out" { div class="actions" { button { "Sign out" } } }
            };
            page(StatusCode::OK, "Signed in", &body, &[])
        }
        Ok(None) if app.config.oidc.is_some() => {
            let body = html! {
                h1 { "Sign in" }
                p { "You sign in with the account of your organisation." }
                // A link, not a form: a form may lead nowhere but here, also by redirects.
                div class="actions" { a class="go" href="/sign-in/provider" { "Go on" } }
            };
            page(StatusCode::OK, "Sign in", &body, &[])
        }
        Ok(None) => {
            let me = app.me.as_str();
            let body = html! {
                h1 { "Sign in" }
                p { "Somebody has to say who you are. In a terminal on this machine, run" }
                p { code { "remit human login " (me) } }
                p { "and open the link it prints in this browser. You then come back to where you were." }
                p class="soft" { "If you are somebody else, put your name in place of " (me) ". The link works once, for five minutes." }
            };
            page(StatusCode::OK, "Sign in", &body, &[])
        }
    }
}

/// `GET /sign-in/link`: shows whose it is. Opening it changes nothing, so that previews of links do not use it up.
pub(super) async fn link(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let shown = async {
        let form = Form::of_query(parts.uri.query().unwrap_or_default()).map_err(Failure::invalid)?;
        let token = form.get("token").unwrap_or_default().to_owned();
        let digest = Digest::of(token.as_bytes());
        let found = app
            .store
            .read(move |conn| Ok::<_, Failure>(handles::get(conn, Kind::Link, digest)?))
            .await?;
        let live = found.filter(|link| link.state == HandleState::Live && app.clock.now() < link.expires_at);
        let live = live.ok_or_else(over)?;
        let body = html! {
            h1 { "Sign in as " (live.owner.as_str()) "?" }
            p class="soft" { "Only go on if you asked for this link yourself." }
            form method="post" action="/sign-in/link" {
                input type="hidden" name="token" value=(token);
                div class="actions" { button class="go" { "Sign in as " (live.owner.as_str()) } }
            }
        };
        Ok::<_, Failure>(page(StatusCode::OK, "Sign in", &body, &[]))
    };
    shown.await.unwrap_or_else(|failure| failed(&failure))
}

fn over() -> Failure {
    Failure::Forbidden(
        "this link was used already, or is too old: make a new one with `remit human login NAME`".to_owned(),
    )
}

/// `POST /sign-in/link`
pub(super) async fn use_link(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let used = async {
        expect_own_page(&parts.headers)?;
        let form = Form::of_body(&parts.headers, body)
            .await
            .map_err(Failure::invalid)?;
        let digest = Digest::of(form.get("token").unwrap_or_default().as_bytes());
        let spent = app
            .store
            .append(crate::engine::record::of("human.sign_in_link_used"), move |tx| {
                handles::spend(tx, Kind::Link, digest)
            })
            .await;
        let (_, link) = spent.map_err(|error| match Failure::from(error) {
            Failure::NotFound(_) | Failure::Conflict(_) => over(),
            other => other,
        })?;
        let human = link.owner.parse().map_err(Failure::unavailable)?;
        let via = Object::from_iter([("via", "link")]);
        let cookie = session::begin(&app, &human, via).await?;
        go_on(&app, &parts.headers, cookie)
    };
    used.await.unwrap_or_else(|failure| failed(&failure))
}

/// `POST /sign-out`
pub(super) async fn out(State(app): State<Arc<App>>, headers: HeaderMap) -> Response<Body> {
    let signed_out = async {
        expect_own_page(&headers)?;
        if let Some(session) = session::current(&app, &headers).await? {
            session::end(&app, &session).await?;
        }
        let mut response = see_other("/sign-in")?;
        response
            .headers_mut()
            .append(header::SET_COOKIE, session::set_cookie(&app, "session", "", 0)?);
        Ok::<_, Failure>(response.into_response())
    };
    signed_out.await.unwrap_or_else(|failure| failed(&failure))
}
