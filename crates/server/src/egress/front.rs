//! The agents' listener: the proxy's requests go to the proxy, everything else to the gateway.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use remit_egress::{Front, FrontConfig};
use remit_gateway::ports::Connection;

use super::port::Port;
use crate::app::App;

tokio::task_local! {
    /// The connection a request at the door came over: what its token proves depends on it.
    pub(super) static CONNECTION: Arc<Connection>;
}

/// The proxy before this app.
#[must_use]
pub fn front(app: &Arc<App>) -> Arc<Front<Port>> {
    let (for_hosts, for_url) = (Arc::clone(app), Arc::clone(app));
    let config = FrontConfig {
        is_ours: Arc::new(move |host| is_ours(&for_hosts, host)),
        base_url: Arc::new(move || for_url.base_url.borrow().clone()),
    };
    Front::new(Arc::new(Port(Arc::clone(app))), config)
}

/// True for the names and the port of our own listener.
fn is_ours(app: &App, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let (base, over_tls) = (app.base_url.borrow(), app.tls_url.borrow());
    let plain = base.strip_prefix("http://");
    let over_tls = over_tls.as_deref().and_then(|url| url.strip_prefix("https://"));
    plain.into_iter().chain(over_tls).any(|own| {
        let port = own.rsplit_once(':').map_or("443", |(_, port)| port);
        text == *own
            || text == format!("localhost:{port}")
            || text == format!("127.0.0.1:{port}")
            || text == format!("[::1]:{port}")
    }) || app.config.listen.hosts.contains(&text)
}

/// What is behind the agents' listener.
#[derive(Clone)]
pub struct Door {
    front: Arc<Front<Port>>,
    gateway: Router,
}

impl Door {
    /// The proxy and the gateway.
    #[must_use]
    pub fn new(app: &Arc<App>, gateway: Router) -> Self {
        Self {
            front: front(app),
            gateway,
        }
    }
}

impl Service<Request<Incoming>> for Door {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if self.front.takes(&request) {
            let front = Arc::clone(&self.front);
            let connection = request
                .extensions()
                .get::<Arc<Connection>>()
                .cloned()
                .unwrap_or_default();
            let handled = async move { Ok(front.handle(request).await.map(Body::new)) };
            return Box::pin(CONNECTION.scope(connection, handled));
        }
        let gateway = TowerToHyperService::new(self.gateway.clone());
        Box::pin(async move { gateway.call(request).await })
    }
}
