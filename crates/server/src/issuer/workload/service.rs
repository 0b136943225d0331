//! The five calls of the Workload API, all on one screen. Messages are framed by `tonic`; the transport is ours.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use prost::Message;
use remit_core::confinement::Proof;
use remit_core::json::{Number, Value};
use remit_core::time::Timestamp;
use remit_identity::{KeySet, verify_jwt_svid};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::server::{Grpc, ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::caller::Caller;
use super::message::{
    JwtBundlesResponse, JwtSvid, JwtSvidRequest, JwtSvidResponse, Nothing, ValidateJwtSvidRequest,
    ValidateJwtSvidResponse, X509BundlesResponse, X509Svid, X509SvidResponse,
};
use crate::app::{App, Failure};
use crate::engine::live::Live;
use crate::issuer::{jwt_svid, x509_svid};

/// The metadata every request must carry (SPIFFE Workload Endpoint, 4): a browser or proxy cannot be made to send it.
const SECURITY: &str = "workload.spiffe.io";

type Answer = http::Response<tonic::body::Body>;
type Stream<T> = ReceiverStream<Result<T, Status>>;
type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;

/// What works on a call.
type Work<A, B> = fn(Arc<App>, Arc<Caller>, A) -> Boxed<B>;

/// One call: what is needed for it.
struct Call<A, B> {
    app: Arc<App>,
    caller: Arc<Caller>,
    work: Work<A, B>,
}

impl<A, B> Call<A, B> {
    fn start(&self, request: Request<A>) -> Boxed<B> {
        (self.work)(
            Arc::clone(&self.app),
            Arc::clone(&self.caller),
            request.into_inner(),
        )
    }
}

impl<A, B: Send + 'static> UnaryService<A> for Call<A, B> {
    type Response = B;
    type Future = Boxed<Response<B>>;

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let answer = self.start(request);
        Box::pin(async move { answer.await.map(Response::new) })
    }
}

/// A call that is answered by a stream.
struct Streamed<A, B>(Call<A, Stream<B>>);

impl<A, B: Send + 'static> ServerStreamingService<A> for Streamed<A, B> {
    type Response = B;
    type ResponseStream = Stream<B>;
    type Future = Boxed<Response<Stream<B>>>;

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let answer = self.0.start(request);
        Box::pin(async move { answer.await.map(Response::new) })
    }
}

/// Answers one request.
pub(super) async fn answer(app: Arc<App>, caller: Arc<Caller>, request: http::Request<Incoming>) -> Answer {
    let marked = request
        .headers()
        .get(SECURITY)
        .is_some_and(|value| value.as_bytes() == b"true");
    if !marked {
        return Status::invalid_argument("the metadata `workload.spiffe.io: true` is missing").into_http();
    }
    let method = request
        .uri()
        .path()
        .strip_prefix("/SpiffeWorkloadAPI/")
        .unwrap_or_default()
        .to_owned();
    match method.as_str() {
        "FetchX509SVID" => {
            let work: Work<Nothing, Stream<X509SvidResponse>> =
                |app, caller, _| Box::pin(x509_svids(app, caller));
            streamed(Call { app, caller, work }, request).await
        }
        "FetchX509Bundles" => {
            let work: Work<Nothing, Stream<X509BundlesResponse>> =
                |app, caller, _| Box::pin(bundles(app, caller, x509_bundles));
            streamed(Call { app, caller, work }, request).await
        }
        "FetchJWTBundles" => {
            let work: Work<Nothing, Stream<JwtBundlesResponse>> =
                |app, caller, _| Box::pin(bundles(app, caller, jwt_bundles));
            streamed(Call { app, caller, work }, request).await
        }
        "FetchJWTSVID" => {
            let work: Work<JwtSvidRequest, JwtSvidResponse> =
                |app, caller, asked| Box::pin(jwt_svids(app, caller, asked));
            once(Call { app, caller, work }, request).await
        }
        "ValidateJWTSVID" => {
            let work: Work<ValidateJwtSvidRequest, ValidateJwtSvidResponse> =
                |app, caller, asked| Box::pin(validate(app, caller, asked));
            once(Call { app, caller, work }, request).await
        }
        _ => Status::unimplemented("no such call in the Workload API").into_http(),
    }
}

/// The answer of a stream; boxed, so that what serves connections need not know every type.
fn streamed<A, B>(
    call: Call<A, Stream<B>>,
    request: http::Request<Incoming>,
) -> Pin<Box<dyn Future<Output = Answer> + Send>>
where
    A: Message + Default + Send + 'static,
    B: Message + Send + 'static,
{
    Box::pin(async move {
        Grpc::new(ProstCodec::<B, A>::new())
            .server_streaming(Streamed(call), request)
            .await
    })
}

fn once<A, B>(
    call: Call<A, B>,
    request: http::Request<Incoming>,
) -> Pin<Box<dyn Future<Output = Answer> + Send>>
where
    A: Message + Default + Send + 'static,
    B: Message + Send + 'static,
{
    Box::pin(async move { Grpc::new(ProstCodec::<B, A>::new()).unary(call, request).await })
}

fn refused(failure: &Failure) -> Status {
    let text = failure.to_string();
    match failure {
        Failure::Invalid(_) => Status::invalid_argument(text),
        Failure::Unavailable(_) => Status::unavailable(text),
        Failure::Forbidden(_) | Failure::NotFound(_) | Failure::Conflict(_) | Failure::NeedsReauth(_) => {
            Status::permission_denied(text)
        }
    }
}

async fn x509_svids(app: Arc<App>, caller: Arc<Caller>) -> Result<Stream<X509SvidResponse>, Status> {
    let live = caller.run(&app).await?;
    let changes = app.issuer.changes();
    let (first, until) = one_x509(&app, &live).await?;
    let (sender, receiver) = mpsc::channel(1);
    // The receiver is here, so there is room for the first.
    let _ = sender.try_send(Ok(first));
    tokio::spawn(renew(Arc::clone(&app), caller, live, until, changes, sender));
    Ok(ReceiverStream::new(receiver))
}

/// Resolves when the authority of a run goes.
async fn gone(live: &Live) {
    let mut line = live.lifeline();
    line.gone().await;
}

/// A fresh SVID at half of each one's life, and when the authorities change; an end when the authority goes.
async fn renew(
    app: Arc<App>,
    caller: Arc<Caller>,
    live: Arc<Live>,
    mut until: Timestamp,
    mut changes: watch::Receiver<u64>,
    sender: mpsc::Sender<Result<X509SvidResponse, Status>>,
) {
    loop {
        let left = until.ms_since(app.clock.now()).max(0);
        let half = Duration::from_millis(u64::try_from(left / 2).unwrap_or(0).max(200));
        tokio::select! {
            () = sender.closed() => return,
            () = gone(&live) => {}
            () = tokio::time::sleep(half) => {}
            Ok(()) = changes.changed() => {}
        }
        let next = match caller.run(&app).await {
            Ok(again) => one_x509(&app, &again).await,
            Err(status) => Err(status),
        };
        match next {
            Ok((message, ends)) => {
                until = ends;
                if sender.send(Ok(message)).await.is_err() {
                    return;
                }
            }
            Err(status) => {
                let _ = sender.send(Err(status)).await;
                return;
            }
        }
    }
}

async fn one_x509(app: &Arc<App>, live: &Arc<Live>) -> Result<(X509SvidResponse, Timestamp), Status> {
    let (id, svid) = x509_svid::issue(app, live, Proof::Peer)
        .await
        .map_err(|failure| refused(&failure))?;
    let message = X509SvidResponse {
        svids: vec![X509Svid {
            spiffe_id: id.to_string(),
            x509_svid: svid.certificate.to_vec(),
            x509_svid_key: svid.key.to_vec(),
            bundle: authorities(app),
            hint: String::new(),
        }],
        crl: Vec::new(),
        federated_bundles: HashMap::new(),
    };
    Ok((message, svid.expires_at))
}

fn authorities(app: &App) -> Vec<u8> {
    let authorities = app.issuer.authorities(app.clock.now());
    authorities
        .iter()
        .flat_map(|(_, certificate)| certificate.iter().copied())
        .collect()
}

fn x509_bundles(app: &App) -> X509BundlesResponse {
    X509BundlesResponse {
        crl: Vec::new(),
        bundles: HashMap::from([(app.issuer.domain.id(), authorities(app))]),
    }
}

fn jwt_bundles(app: &App) -> JwtBundlesResponse {
    let keys = KeySet::new(app.issuer.jwt_authorities(app.clock.now()));
    let document = Value::Object(keys.to_document()).to_canonical();
    JwtBundlesResponse {
        bundles: HashMap::from([(app.issuer.domain.id(), document)]),
    }
}

/// What is published, now and after every change.
async fn bundles<T: Send + PartialEq + Clone + 'static>(
    app: Arc<App>,
    caller: Arc<Caller>,
    make: fn(&App) -> T,
) -> Result<Stream<T>, Status> {
    let live = caller.run(&app).await?;
    let mut changes = app.issuer.changes();
    let (sender, receiver) = mpsc::channel(1);
    let mut last = make(&app);
    let _ = sender.try_send(Ok(last.clone()));
    let follower = Arc::clone(&app);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = sender.closed() => return,
                () = gone(&live) => {
                    let _ = sender.send(Err(Status::permission_denied("the task has ended"))).await;
                    return;
                }
                changed = changes.changed() => if changed.is_err() { return },
            }
            let now = make(&follower);
            if now != last {
                last = now.clone();
                if sender.send(Ok(now)).await.is_err() {
                    return;
                }
            }
        }
    });
    Ok(ReceiverStream::new(receiver))
}

async fn jwt_svids(
    app: Arc<App>,
    caller: Arc<Caller>,
    asked: JwtSvidRequest,
) -> Result<JwtSvidResponse, Status> {
    let live = caller.run(&app).await?;
    let [audience] = asked.audience.as_slice() else {
        return Err(Status::invalid_argument(
            "ask for one audience at a time: a token for several could be passed on among them",
        ));
    };
    if audience.is_empty() {
        return Err(Status::invalid_argument("the audience is empty"));
    }
    let own = crate::issuer::identity(&app, &live).map_err(|failure| refused(&failure))?;
    if !asked.spiffe_id.is_empty() && asked.spiffe_id != own.as_str() {
        return Err(Status::permission_denied(
            "the caller has another identity than the one asked for",
        ));
    }
    let (id, svid) = jwt_svid::issue(&app, &live, audience, Proof::Peer)
        .await
        .map_err(|failure| refused(&failure))?;
    Ok(JwtSvidResponse {
        svids: vec![JwtSvid {
            spiffe_id: id.to_string(),
            svid,
            hint: String::new(),
        }],
    })
}

async fn validate(
    app: Arc<App>,
    caller: Arc<Caller>,
    asked: ValidateJwtSvidRequest,
) -> Result<ValidateJwtSvidResponse, Status> {
    caller.run(&app).await?;
    if asked.audience.is_empty() || asked.svid.is_empty() {
        return Err(Status::invalid_argument("audience and SVID are both needed"));
    }
    let now = app.clock.now();
    let keys = KeySet::new(app.issuer.jwt_authorities(now));
    let svid = verify_jwt_svid(&asked.svid, &keys, &app.issuer.domain, &[&asked.audience], now)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let fields = svid
        .claims
        .0
        .iter()
        .map(|(name, value)| (name.to_owned(), google(value)));
    Ok(ValidateJwtSvidResponse {
        spiffe_id: svid.id.to_string(),
        claims: Some(prost_types::Struct {
            fields: fields.collect(),
        }),
    })
}

/// A JSON value as `google.protobuf.Value`.
fn google(value: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(truth) => Kind::BoolValue(*truth),
        Value::Number(number) => Kind::NumberValue(Number::as_f64(number)),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => Kind::ListValue(prost_types::ListValue {
            values: items.iter().map(google).collect(),
        }),
        Value::Object(members) => Kind::StructValue(prost_types::Struct {
            fields: members
                .iter()
                .map(|(name, value)| (name.to_owned(), google(value)))
                .collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}
