//! A plain reverse proxy in Rust, the peer of the `calls` part: it reads a request, sends it on over a kept connection, and
//! gives the answer back. No check, no decision, no record; what it costs is what any proxy written like this must cost.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};

/// Starts it in front of `target` on the current runtime.
///
/// # Errors
/// When there is no free port.
pub async fn start(target: SocketAddr) -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Arc<Client<HttpConnector, Full<Bytes>>> =
        Arc::new(Client::builder(TokioExecutor::new()).build(connector));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A connection that is slower for it is still one that is measured.
            let _ = stream.set_nodelay(true);
            let client = Arc::clone(&client);
            let service = service_fn(move |request| forward(Arc::clone(&client), target, request));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    Ok(address)
}

async fn forward(
    client: Arc<Client<HttpConnector, Full<Bytes>>>,
    target: SocketAddr,
    request: Request<Incoming>,
) -> anyhow::Result<Response<Full<Bytes>>> {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("http://{target}{path}").parse()?;
    let body = body.collect().await?.to_bytes();
    let answer = client.request(Request::from_parts(head, Full::new(body))).await?;
    let (head, body) = answer.into_parts();
    Ok(Response::from_parts(
        head,
        Full::new(body.collect().await?.to_bytes()),
    ))
}
