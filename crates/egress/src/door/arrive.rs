//! A request arrives: its host, its target, its headers and its body are read once, then the engine is asked.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use remit_core::json::Object;
use remit_core::name::Name;

use super::{BASE, Front, ResponseBody, answer, identify};
use crate::authority::Authority;
use crate::describe::{Place, System};
use crate::ports::{Asked, Engine, Refused, Session};
use crate::refusal::{Refusal, shown};
use crate::request::carried::{Carried, is_token, without_token};
use crate::request::{self, Head, headers};
use crate::spool::{Spool, SpoolError, Spooled};
use crate::target::Target;

/// How long a body may pause, in seconds.
const PAUSE: Duration = Duration::from_secs(30);

/// Where a request goes, once its host is known.
pub(super) struct Going {
    pub(super) system: Arc<System>,
    pub(super) authority: Authority,
    /// `/path?query` as it came.
    pub(super) target: String,
}

impl<E: Engine> Front<E> {
    /// `/egress/{system}/path`, or `/egress/{system}/~{host}/path` where a system has several hosts.
    pub(super) async fn base(self: Arc<Self>, request: Request<Incoming>) -> Response<ResponseBody> {
        let (parts, body) = request.into_parts();
        if let Err(response) = self.expect_ours(&parts.headers) {
            return *response;
        }
        let raw = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str())
            .to_owned();
        let rest = raw.strip_prefix(BASE).unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at_checked(end).unwrap_or_default();
        if name == "-" {
            return self.own(&parts, rest).await;
        }
        let system = name
            .parse::<Name>()
            .ok()
            .and_then(|name| self.engine.system(&name));
        let token = identify::proxy_token(&parts.headers).or_else(|| base_token(system.as_deref(), &parts));
        let session = match self.engine.authenticate(token.as_deref()).await {
            Ok(session) => session,
            Err(failure) => return answer::unauthenticated(&failure, false),
        };
        let Some(system) = system else {
            let refusal = Refusal::unknown(format!(
                "no system `{}` is registered: see `remit system list`",
                shown(name)
            ));
            return self.refuse(&session, None, None, &parts, refusal).await;
        };
        let (host, rest) = match rest.strip_prefix("/~") {
            Some(after) => {
                let end = after.find(['/', '?']).unwrap_or(after.len());
                let (host, rest) = after.split_at_checked(end).unwrap_or_default();
                (host.to_owned(), rest)
            }
            None => {
                let first = system.hosts.iter().find(|host| !host.is_wild());
                (first.map(|host| host.name().to_owned()).unwrap_or_default(), rest)
            }
        };
        let authority = Authority::parse(&host, system.port());
        let authority = authority.ok().filter(|a| system.is_at(a.host(), a.port()));
        let Some(authority) = authority else {
            let refusal = Refusal::unknown(format!("`{}` is no host of `{}`", shown(&host), system.name));
            return self
                .refuse(&session, Some(&system.name), None, &parts, refusal)
                .await;
        };
        let target = if rest.starts_with('/') {
            rest.to_owned()
        } else {
            format!("/{rest}")
        };
        let place = Going {
            system,
            authority,
            target,
        };
        self.forward(session, place, token, parts, body).await
    }

    /// A request with a whole address in its first line: a proxy's, for plain http.
    pub(super) async fn absolute(self: Arc<Self>, request: Request<Incoming>) -> Response<ResponseBody> {
        let (parts, body) = request.into_parts();
        let token = identify::proxy_token(&parts.headers);
        let session = match self.engine.authenticate(token.as_deref()).await {
            Ok(session) => session,
            Err(failure) => return answer::unauthenticated(&failure, true),
        };
        let own_port = if parts.uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let place = self.place(&parts, own_port);
        let place = match place {
            Ok(place) => place,
            Err((authority, refusal)) => {
                return self.refuse(&session, None, authority, &parts, refusal).await;
            }
        };
        self.forward(session, place, token, parts, body).await
    }

    fn place(&self, parts: &Parts, own_port: u16) -> Result<Going, (Option<Authority>, Refusal)> {
        let written = parts.uri.authority().map_or("", |authority| authority.as_str());
        let authority =
            Authority::parse(written, own_port).map_err(|bad| (None, Refusal::opaque(bad.to_string())))?;
        expect_host(&parts.headers, &authority, own_port)
            .map_err(|refusal| (Some(authority.clone()), refusal))?;
        let system = self
            .engine
            .system_at(&authority)
            .ok_or_else(|| (Some(authority.clone()), unknown_host(&authority)))?;
        if system.scheme() != parts.uri.scheme_str().unwrap_or_default() {
            let refusal = Refusal::opaque(format!("`{}` is reached over {}", system.name, system.scheme()));
            return Err((Some(authority), refusal));
        }
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str())
            .to_owned();
        Ok(Going {
            system,
            authority,
            target,
        })
    }

    /// What is asked of the proxy itself: a held call's result.
    async fn own(&self, parts: &Parts, rest: &str) -> Response<ResponseBody> {
        let token = identify::proxy_token(&parts.headers).or_else(|| bearer(&parts.headers));
        let session = match self.engine.authenticate(token.as_deref()).await {
            Ok(session) => session,
            Err(failure) => return answer::unauthenticated(&failure, false),
        };
        let approval = rest.strip_prefix("/approvals/").and_then(|id| id.parse().ok());
        match approval {
            Some(approval) if parts.method == Method::GET => {
                let base_url = (self.config.base_url)();
                answer::answer(self.engine.resume(&session, approval).await, &base_url)
            }
            _ => answer::problem(
                StatusCode::NOT_FOUND,
                "there is no such page: a held call's result is at /egress/-/approvals/{approval_id}",
                Object::new(),
            ),
        }
    }

    /// Reads the request and asks the engine.
    pub(super) async fn forward(
        &self,
        session: Session,
        place: Going,
        token: Option<String>,
        parts: Parts,
        body: Incoming,
    ) -> Response<ResponseBody> {
        let (name, authority) = (place.system.name.clone(), place.authority.clone());
        let Some(_flight) = self.flights.board(session.run) else {
            let detail = "too many requests of this run are under way: wait for some to end";
            return answer::problem(StatusCode::TOO_MANY_REQUESTS, detail, Object::new());
        };
        match read(place, token.as_deref(), &parts, body).await {
            Ok(asked) => {
                let base_url = (self.config.base_url)();
                answer::answer(self.engine.call(&session, asked).await, &base_url)
            }
            Err(refusal) => {
                self.refuse(&session, Some(&name), Some(authority), &parts, refusal)
                    .await
            }
        }
    }

    /// Records a refusal and answers with it.
    pub(super) async fn refuse(
        &self,
        session: &Session,
        system: Option<&Name>,
        authority: Option<Authority>,
        parts: &Parts,
        refusal: Refusal,
    ) -> Response<ResponseBody> {
        let refused = Refused {
            system: system.cloned(),
            authority,
            // A query may carry credentials; the path is enough to find it again.
            request: format!("{} {}", shown(parts.method.as_str()), shown(parts.uri.path())),
            refusal,
        };
        let decision = self.engine.refuse(session, refused).await;
        answer::refused(&decision, &(self.config.base_url)())
    }

    /// A page in a browser must not reach us through a name that happens to point here.
    fn expect_ours(&self, headers: &HeaderMap) -> Result<(), Box<Response<ResponseBody>>> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let ours = hosts
            .next()
            .and_then(|host| host.to_str().ok())
            .is_some_and(|host| (self.config.is_ours)(host));
        let origin = headers.get_all(header::ORIGIN).iter().all(|origin| {
            let origin = origin.to_str().unwrap_or_default();
            let host = origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"));
            host.is_some_and(|host| (self.config.is_ours)(host))
        });
        if ours && origin && hosts.next().is_none() {
            return Ok(());
        }
        let detail = "the `Host` or `Origin` is not one of ours: use `127.0.0.1` or `localhost`";
        Err(Box::new(answer::problem(
            StatusCode::FORBIDDEN,
            detail,
            Object::new(),
        )))
    }
}

/// A host nobody registered.
pub(super) fn unknown_host(authority: &Authority) -> Refusal {
    Refusal {
        reason: remit_core::decision::Reason::DestinationNotAllowed,
        sentence: format!(
            "`{authority}` belongs to no system that is registered here: a person can add it (`remit system add`)"
        ),
    }
}

/// The run's token in base-URL mode: where the client puts its API key.
fn base_token(system: Option<&System>, parts: &Parts) -> Option<String> {
    let system = system?;
    let found = headers::credentials(system, &parts.headers).ok()?;
    let mut values = found.into_iter().map(|carried| carried.value);
    values
        .find(|value| is_token(value))
        .or_else(|| in_query(system, parts))
        .or_else(|| bearer(&parts.headers))
}

/// The token at a parameter the system declares.
fn in_query(system: &System, parts: &Parts) -> Option<String> {
    let target = Target::parse(parts.uri.path_and_query()?.as_str()).ok()?;
    let mut names = system.credentials.iter().filter_map(|one| match &one.place {
        Place::Query(name) => Some(name),
        _ => None,
    });
    names.find_map(|name| {
        target
            .parameter(name)
            .filter(|value| is_token(value))
            .map(str::to_owned)
    })
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

/// `Host` has to say what the target says.
pub(super) fn expect_host(headers: &HeaderMap, authority: &Authority, own_port: u16) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else { return Ok(()) };
    let said = host
        .to_str()
        .ok()
        .and_then(|host| Authority::parse(host, own_port).ok());
    if said.as_ref() == Some(authority) && hosts.next().is_none() {
        return Ok(());
    }
    Err(Refusal::opaque(format!(
        "`Host` does not say `{authority}`, where this request goes"
    )))
}

/// Reads everything of a request.
async fn read(place: Going, token: Option<&str>, parts: &Parts, body: Incoming) -> Result<Asked, Refusal> {
    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let Going {
        system,
        authority,
        target,
    } = place;
    let method = parts.method.as_str().to_owned();
    if !METHODS.contains(&method.as_str()) {
        return Err(Refusal::opaque(format!(
            "the method `{}` is not known here",
            shown(&method)
        )));
    }
    let mut target = Target::parse(&target)?;
    let mut sorted = headers::sort(&system, &parts.headers)?;
    take_query_credentials(&system, &mut target, &mut sorted.carried)?;
    sorted.carried = without_token(sorted.carried, token);
    headers::without_parts(&system, &parts.headers, &mut sorted)?;
    let spooled = spool(body).await?;
    let head = Head {
        method,
        authority,
        target,
        headers: sorted.kept,
        content_type: sorted.content_type,
    };
    let reading = tokio::task::spawn_blocking(move || {
        let body = plain(spooled, sorted.gzip, sorted.aws_chunked)?;
        let reading = request::read(&system, &head, &body)?;
        Ok::<_, Refusal>((system, head, reading, body))
    });
    let (system, head, reading, body) = reading
        .await
        .map_err(|error| Refusal::opaque(format!("the request could not be read: {error}")))??;
    Ok(Asked {
        system,
        head,
        reading,
        carried: sorted.carried,
        body,
    })
}

fn plain(body: Spooled, gzip: bool, aws_chunked: bool) -> Result<Spooled, Refusal> {
    let failed = |error: SpoolError| Refusal::opaque(error.to_string());
    let body = if aws_chunked {
        body.aws_unchunk().map_err(failed)?
    } else {
        body
    };
    if gzip && !body.is_empty() {
        return body.gunzip().map_err(failed);
    }
    Ok(body)
}

fn take_query_credentials(
    system: &System,
    target: &mut Target,
    carried: &mut Vec<Carried>,
) -> Result<(), Refusal> {
    let has = |name: &str| {
        target
            .query()
            .iter()
            .any(|(key, _)| key.eq_ignore_ascii_case(name))
    };
    // AWS in both versions, Google Cloud, Azure (shared access signatures).
    for presigned in [
        &["X-Amz-Signature"][..],
        &["X-Goog-Signature"],
        &["Signature", "AWSAccessKeyId"],
        &["Signature", "GoogleAccessId"],
        &["sig", "se"],
    ] {
        if presigned.iter().all(|name| has(name)) {
            let presigned = presigned.join("`, `");
            return Err(Refusal {
                reason: remit_core::decision::Reason::ForeignCredential,
                sentence: format!(
                    "the request is signed beforehand (`{presigned}`), by a credential Remit did not issue"
                ),
            });
        }
    }
    for credential in &system.credentials {
        if let Place::Query(name) = &credential.place {
            for value in target.take_parameter(name) {
                carried.push(Carried {
                    place: credential.place.clone(),
                    scheme: None,
                    user: None,
                    value,
                    declared: true,
                    scope: None,
                    own: false,
                });
            }
        }
    }
    Ok(())
}

async fn spool(mut body: Incoming) -> Result<Spooled, Refusal> {
    let mut spool = Spool::default();
    while !body.is_end_stream() {
        let frame = tokio::time::timeout(PAUSE, body.frame())
            .await
            .map_err(|_| Refusal::opaque("the body stopped coming"))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| Refusal::opaque(format!("the body cannot be read: {error}")))?;
        if frame.is_trailers() {
            return Err(Refusal::opaque(
                "fields behind the body are not decided: send them in front",
            ));
        }
        if let Some(piece) = frame.data_ref() {
            spool
                .push(piece)
                .map_err(|error| Refusal::opaque(error.to_string()))?;
        }
    }
    Ok(spool.finish())
}
