//! `CONNECT`: the name is decided before anything is answered; then TLS is spoken as that host with the run's own authority,
//! and each request inside is read like any other.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use remit_core::confinement::Proof;
use remit_core::limits::{
    REQUEST_HEAD_BYTES_MAX, REQUEST_HEAD_MS_MAX, REQUEST_HEADERS_MAX, REQUESTS_PER_RUN_MAX,
};
use tokio_rustls::TlsAcceptor;

use super::arrive::{Going, expect_host, unknown_host};
use super::{Front, ResponseBody, answer, identify};
use crate::authority::Authority;
use crate::describe::System;
use crate::ports::{Engine, Session};
use crate::refusal::Refusal;

/// How long the client may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// Streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;

/// What is inside one tunnel.
struct Tunnel<E> {
    front: Arc<Front<E>>,
    token: Option<String>,
    authority: Authority,
    /// What the connection under the tunnel proved: it is the same one for every request inside.
    proof: Proof,
}

impl<E: Engine> Front<E> {
    pub(super) async fn connect(self: Arc<Self>, request: Request<Incoming>) -> Response<ResponseBody> {
        let token = identify::proxy_token(request.headers());
        let session = match self.engine.authenticate(token.as_deref()).await {
            Ok(session) => session,
            Err(failure) => return answer::unauthenticated(&failure, true),
        };
        let (system, authority) = match self.named(&request) {
            Ok(found) => found,
            Err((authority, refusal)) => {
                let (parts, _) = request.into_parts();
                return self.refuse(&session, None, authority, &parts, refusal).await;
            }
        };
        let refusal = if system.https {
            // In words, where the certificate of a host the run has nothing to do with would only break off.
            self.engine.barred(&session, &system)
        } else {
            Some(Refusal::opaque(format!(
                "`{}` is reached over http, without a tunnel",
                system.name
            )))
        };
        if let Some(refusal) = refusal {
            let (parts, _) = request.into_parts();
            return self
                .refuse(&session, Some(&system.name), Some(authority), &parts, refusal)
                .await;
        }
        let speak = self
            .engine
            .authority_of(&session)
            .and_then(|ca| ca.server(authority.host()));
        let speak = match speak {
            Ok(speak) => TlsAcceptor::from(speak),
            Err(sentence) => {
                tracing::error!(%sentence, "no certificate could be made for a tunnel");
                return answer::empty(StatusCode::SERVICE_UNAVAILABLE);
            }
        };
        let tunnel = Tunnel {
            front: self,
            token,
            authority,
            proof: session.proof,
        };
        tokio::spawn(tunnel.run(request, speak, session));
        answer::empty(StatusCode::OK)
    }

    fn named(
        &self,
        request: &Request<Incoming>,
    ) -> Result<(Arc<System>, Authority), (Option<Authority>, Refusal)> {
        let written = request
            .uri()
            .authority()
            .map_or("", |authority| authority.as_str());
        let authority =
            Authority::parse(written, 443).map_err(|bad| (None, Refusal::opaque(bad.to_string())))?;
        expect_host(request.headers(), &authority, 443)
            .map_err(|refusal| (Some(authority.clone()), refusal))?;
        match self.engine.system_at(&authority) {
            Some(system) => Ok((system, authority)),
            None => {
                let refusal = unknown_host(&authority);
                Err((Some(authority), refusal))
            }
        }
    }
}

impl<E: Engine> Tunnel<E> {
    async fn run(self, request: Request<Incoming>, speak: TlsAcceptor, session: Session) {
        let engine = Arc::clone(&self.front.engine);
        tokio::select! {
            () = self.serve(request, speak) => {}
            () = engine.gone(&session) => {}
        }
    }

    async fn serve(self, request: Request<Incoming>, speak: TlsAcceptor) {
        let stream = match hyper::upgrade::on(request).await {
            Ok(stream) => TokioIo::new(stream),
            Err(error) => {
                tracing::debug!(%error, "a tunnel was not taken up");
                return;
            }
        };
        let stream = match tokio::time::timeout(HANDSHAKE, speak.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, host = %self.authority, "the client did not agree on TLS");
                return;
            }
            Err(_) => return,
        };
        let (_, session) = stream.get_ref();
        let named = session
            .server_name()
            .is_none_or(|name| name.eq_ignore_ascii_case(self.authority.host()));
        if !named {
            tracing::debug!(host = %self.authority, "the client named another host inside the tunnel");
            return;
        }
        let is_h2 = session.alpn_protocol() == Some(b"h2");
        let tunnel = Arc::new(self);
        let service = service_fn(move |request| {
            let tunnel = Arc::clone(&tunnel);
            async move { Ok::<_, Infallible>(tunnel.request(request).await) }
        });
        let ended = if is_h2 {
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(
                    STREAMS_MAX.min(u32::try_from(REQUESTS_PER_RUN_MAX).unwrap_or(STREAMS_MAX)),
                )
                .max_header_list_size(u32::try_from(REQUEST_HEAD_BYTES_MAX).unwrap_or(u32::MAX))
                .serve_connection(TokioIo::new(stream), service)
                .await
        } else {
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_millis(REQUEST_HEAD_MS_MAX))
                .max_buf_size(REQUEST_HEAD_BYTES_MAX)
                .max_headers(REQUEST_HEADERS_MAX)
                .serve_connection(TokioIo::new(stream), service)
                .await
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a tunnel broke off");
        }
    }

    /// One request inside. The run is looked up again: its authority may have ended since.
    async fn request(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (parts, body) = request.into_parts();
        let session = match self.front.engine.authenticate(self.token.as_deref()).await {
            Ok(session) => Session {
                proof: self.proof,
                ..session
            },
            Err(failure) => return answer::unauthenticated(&failure, false),
        };
        let system = self.front.engine.system_at(&self.authority);
        let Some(system) = system else {
            let refusal = unknown_host(&self.authority);
            return self
                .front
                .refuse(&session, None, Some(self.authority.clone()), &parts, refusal)
                .await;
        };
        let elsewhere = parts.uri.authority().is_some_and(|authority| {
            Authority::parse(authority.as_str(), 443).ok().as_ref() != Some(&self.authority)
        });
        let host = expect_host(&parts.headers, &self.authority, 443);
        if elsewhere
            || host.is_err()
            || (parts.headers.get(http::header::HOST).is_none() && parts.uri.authority().is_none())
        {
            let refusal = Refusal::opaque(format!(
                "the request inside the tunnel is not for `{}`",
                self.authority
            ));
            return self
                .front
                .refuse(
                    &session,
                    Some(&system.name),
                    Some(self.authority.clone()),
                    &parts,
                    refusal,
                )
                .await;
        }
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str())
            .to_owned();
        let going = Going {
            system,
            authority: self.authority.clone(),
            target,
        };
        self.front
            .forward(session, going, self.token.clone(), parts, body)
            .await
    }
}
