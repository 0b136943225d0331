//! The HTTP hosts of a scenario: one listener on loopback that plays all of them, and the names that lead there.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use remit_upstream::{Environment, Launcher, Resolve, Scrubber};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::clock::ScenarioClock;
use crate::file::Host;

/// What reached the hosts, and which names were looked up.
#[derive(Debug, Default)]
struct Seen {
    /// Host of each request, oldest first.
    requests: Vec<String>,
    leaked: BTreeSet<String>,
    names: Vec<String>,
}

/// All hosts of a scenario. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Web {
    /// Where they are.
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
    accepting: JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What each host answers: status and text.
type Answers = BTreeMap<String, (u16, String)>;

impl Web {
    /// Starts them.
    pub(crate) async fn start(
        hosts: &[(String, &Host)],
        secrets: Vec<(String, String)>,
    ) -> Result<Self, std::io::Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let answers: Answers = hosts
            .iter()
            .map(|(name, host)| {
                let text = host.text.clone().unwrap_or_else(|| "{\"ok\":true}".to_owned());
                (name.clone(), (host.status.unwrap_or(200), text))
            })
            .collect();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::new((answers, secrets, Arc::clone(&seen)));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let shared = Arc::clone(&shared);
                        async move { Ok::<_, Infallible>(answer(&shared.0, &shared.1, &shared.2, request).await) }
                    });
                    // How a connection ends is the client's business.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self {
            port,
            seen,
            accepting,
        })
    }

    /// Hosts of the requests that reached them, oldest first.
    pub(crate) fn reached(&self) -> Vec<String> {
        self.seen().requests.clone()
    }

    /// Planted secrets that reached them, by name.
    pub(crate) fn leaked(&self) -> BTreeSet<String> {
        self.seen().leaked.clone()
    }

    /// How many names were looked up.
    pub(crate) fn lookups(&self) -> usize {
        self.seen().names.len()
    }

    /// A dialler whose every name leads here.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn environment(&self, clock: &ScenarioClock) -> Result<Environment, String> {
        Ok(Environment {
            clock: Arc::new(clock.clone()),
            launcher: Launcher {
                exe: "remit".into(),
                confine: Default::default(),
            },
            resolver: Arc::new(Names(Arc::clone(&self.seen))),
            tls: remit_upstream::tls_config().map_err(|error| error.to_string())?,
            scrubber: Arc::new(Scrubber::default()),
            search_path: Default::default(),
        })
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(
    answers: &Answers,
    secrets: &[(String, String)],
    seen: &Mutex<Seen>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let host = parts
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default().to_owned();
    let whole = format!(
        "{} {:?} {}",
        parts.uri,
        parts.headers,
        String::from_utf8_lossy(&body)
    );
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, value) in secrets {
        if whole.contains(value.as_str()) {
            seen.leaked.insert(name.clone());
        }
    }
    seen.requests.push(host.clone());
    drop(seen);
    let (status, text) = answers.get(&host).cloned().unwrap_or((404, String::new()));
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}

/// Every name is this machine, and is remembered.
struct Names(Arc<Mutex<Seen>>);

impl Resolve for Names {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        // MCP stubs are reached by their address.
        if host.parse::<std::net::IpAddr>().is_err() {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            seen.names.push(host.to_owned());
        }
        Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
    }
}
