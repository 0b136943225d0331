//! Certificates that must not be trusted, and one that must.

use std::sync::atomic::AtomicBool;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::wire_server::{DISCOVERED, result};
use super::*;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().clone();
    Authority {
        issuer: Issuer::new(params, key),
        der,
    }
}

/// A server with this certificate that answers `server/discover`; tells whether any request reached it.
async fn serve(
    params: &CertificateParams,
    signed_by: Option<&Authority>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> (u16, Arc<AtomicBool>) {
    let key = KeyPair::generate().unwrap();
    let certificate = match signed_by {
        Some(authority) => params.signed_by(&key, &authority.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let reached = Arc::new(AtomicBool::new(false));
    let told = reached.clone();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = vec![0; 4096];
            if stream.read(&mut request).await.unwrap_or(0) == 0 {
                continue;
            }
            told.store(true, Ordering::SeqCst);
            let body = result(1, DISCOVERED);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all((head + &body).as_bytes()).await;
        }
    });
    (port, reached)
}

fn named(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap()
}

#[tokio::test]
async fn only_the_right_certificate_is_trusted() {
    let (trusted, other) = (authority(), authority());
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).unwrap();
    let tls = crate::http::tls::with_roots(roots).unwrap();

    let good = named(&["tools.example"]);
    let mut expired = good.clone();
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut future = good.clone();
    future.not_before = date_time_ymd(2090, 1, 1);
    let all = rustls::DEFAULT_VERSIONS;
    for (name, params, signer, host, trust) in [
        ("good", &good, Some(&trusted), "tools.example", true),
        (
            "good by address",
            &named(&["127.0.0.1"]),
            Some(&trusted),
            "127.0.0.1",
            true,
        ),
        (
            "wildcard",
            &named(&["*.tools.example"]),
            Some(&trusted),
            "a.tools.example",
            true,
        ),
        (
            "another name",
            &named(&["other.example"]),
            Some(&trusted),
            "tools.example",
            false,
        ),
        ("a name for an address", &good, Some(&trusted), "127.0.0.1", false),
        ("another authority", &good, Some(&other), "tools.example", false),
        ("signed by itself", &good, None, "tools.example", false),
        ("expired", &expired, Some(&trusted), "tools.example", false),
        ("not yet valid", &future, Some(&trusted), "tools.example", false),
    ] {
        let (port, reached) = serve(params, signer, all).await;
        let here: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
        let mut world = world();
        world.environment.tls = tls.clone();
        world.environment.resolver = Arc::new(Table(vec![
            ("tools.example", vec![here]),
            ("a.tools.example", vec![here]),
        ]));
        let opened = world
            .open(&http(&format!("https://{host}:{port}/mcp")), Era::Modern)
            .await;
        assert_eq!(reached.load(Ordering::SeqCst), trust, "{name}");
        match opened {
            Ok(_) => assert!(trust, "{name}"),
            Err(failure) => {
                assert!(!trust, "{name}: {failure:?}");
                assert_eq!((failure.kind, failure.sent), (ErrorKind::Tls, Sent::No), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn the_public_roots_do_not_know_us_and_plain_text_is_no_tls() {
    let (port, reached) = serve(&named(&["127.0.0.1"]), None, &[&rustls::version::TLS12]).await;
    let failure = world()
        .open(&http(&format!("https://127.0.0.1:{port}/")), Era::Modern)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Tls);
    assert!(!reached.load(Ordering::SeqCst));

    let plain = super::wire_server::WireServer::start(|_| Vec::new()).await;
    let url = plain.url.replace("http://", "https://");
    // A server that waits for a request while we wait for its greeting would hang; ours sends the greeting first.
    let (world, spec) = (world(), http(&url));
    let opened = tokio::time::timeout(Duration::from_secs(1), world.open(&spec, Era::Modern));
    assert!(!matches!(opened.await, Ok(Ok(_))));
    assert!(plain.seen.lock().unwrap().is_empty());
}
