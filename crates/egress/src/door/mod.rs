//! The door: which requests are ours, who asks, where they would go, and how answers are put.

mod answer;
mod arrive;
mod connect;
mod flights;
mod identify;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use crate::ports::{Broken, Engine};

/// Bodies of our responses.
pub type ResponseBody = UnsyncBoxBody<Bytes, Broken>;

/// The path of base-URL mode: `/egress/{system}/…`.
const BASE: &str = "/egress/";

/// What the proxy is told once, at start.
#[derive(Clone)]
pub struct FrontConfig {
    /// Which `Host` values (`host[:port]`) are this listener's own.
    pub is_ours: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// Where agents reach us, once we listen: `http://127.0.0.1:7420`.
    pub base_url: Arc<dyn Fn() -> String + Send + Sync>,
}

/// The proxy on one listener.
pub struct Front<E> {
    engine: Arc<E>,
    config: FrontConfig,
    flights: Arc<flights::Flights>,
}

impl<E: Engine> Front<E> {
    /// The proxy before `engine`.
    #[must_use]
    pub fn new(engine: Arc<E>, config: FrontConfig) -> Arc<Self> {
        Arc::new(Self {
            engine,
            config,
            flights: Arc::default(),
        })
    }

    /// True for requests that are for the proxy: `CONNECT`, a target with another host, `/egress/…`.
    #[must_use]
    pub fn takes<B>(&self, request: &Request<B>) -> bool {
        let elsewhere = request
            .uri()
            .authority()
            .is_some_and(|authority| !(self.config.is_ours)(authority.as_str()));
        request.method() == Method::CONNECT || elsewhere || request.uri().path().starts_with(BASE)
    }

    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<ResponseBody> {
        if request.method() == Method::CONNECT {
            return self.connect(request).await;
        }
        let is_base = request.uri().path().starts_with(BASE)
            && request
                .uri()
                .authority()
                .is_none_or(|authority| (self.config.is_ours)(authority.as_str()));
        if is_base {
            self.base(request).await
        } else {
            self.absolute(request).await
        }
    }
}
