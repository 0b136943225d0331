//! One connection to a system, in the version of HTTP it chose: HTTP/1.1 carries one request at a time, HTTP/2 many.

use std::sync::Arc;

use http::header::HOST;
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};

use super::body::Leaving;
use crate::error::{ErrorKind, Sent};
use crate::http::dial::{Dialled, Driver, Spoken};
use crate::http::url::Endpoint;
use crate::wire::Failure;

/// A connection.
pub(super) enum Way {
    /// HTTP/1.1.
    One(Dialled<Leaving>),
    /// HTTP/2; its copies are the same connection.
    Two(http2::SendRequest<Leaving>, Arc<Driver>),
}

impl From<Spoken<Leaving>> for Way {
    fn from(spoken: Spoken<Leaving>) -> Self {
        match spoken {
            Spoken::One(dialled) => Self::One(dialled),
            Spoken::Two(sender, driver) => Self::Two(sender, Arc::new(driver)),
        }
    }
}

impl Way {
    /// The same connection for another request beside the ones under way, where there can be one.
    pub(super) fn shared(&self) -> Option<Self> {
        match self {
            Self::One(_) => None,
            Self::Two(sender, driver) => Some(Self::Two(sender.clone(), Arc::clone(driver))),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::One(dialled) => dialled.sender.is_closed(),
            Self::Two(sender, _) => sender.is_closed(),
        }
    }

    /// Waits until it takes a request; false when it never will.
    pub(super) async fn ready(&mut self) -> bool {
        match self {
            Self::One(dialled) => dialled.sender.ready().await.is_ok(),
            Self::Two(sender, _) => sender.ready().await.is_ok(),
        }
    }

    /// The request as this version writes it. HTTP/2 names scheme and host beside the path, and has no `Host`
    /// (RFC 9113, 8.3.1).
    pub(super) fn fit(
        &self,
        request: Request<Leaving>,
        endpoint: &Endpoint,
    ) -> Result<Request<Leaving>, Failure> {
        if matches!(self, Self::One(_)) {
            return Ok(request);
        }
        let bad = |why: &dyn std::fmt::Display| Failure::new(ErrorKind::BadSpec, Sent::No, why);
        let (mut head, body) = request.into_parts();
        head.headers.remove(HOST);
        let mut uri = head.uri.into_parts();
        uri.scheme = Some(Scheme::HTTPS);
        uri.authority = Some(
            endpoint
                .authority
                .parse()
                .map_err(|error: http::uri::InvalidUri| bad(&error))?,
        );
        uri.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
        head.uri = Uri::from_parts(uri).map_err(|error| bad(&error))?;
        head.version = http::Version::HTTP_2;
        Ok(Request::from_parts(head, body))
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Leaving>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Leaving>>> {
        match self {
            Self::One(dialled) => dialled.sender.try_send_request(request).await,
            Self::Two(sender, _) => sender.try_send_request(request).await,
        }
    }
}
