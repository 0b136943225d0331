//! Addresses that must not be dialled, however they are written and whenever they appear.

use super::wire_server::*;
use super::*;

#[tokio::test]
async fn addresses_are_checked_before_anything_is_dialled() {
    let server = WireServer::start(|_| Vec::new()).await;
    let mut world = world();
    let public: SocketAddr = "93.184.216.34:80".parse().unwrap();
    let here: SocketAddr = server.url["http://".len()..]
        .trim_end_matches("/mcp")
        .parse()
        .unwrap();
    let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), here.port());
    world.environment.resolver = Arc::new(Table(vec![
        ("here.example", vec![here]),
        ("both.example", vec![public, here]),
        ("mapped.example", vec![mapped]),
        ("2130706433", vec![here]),
        ("0x7f.1", vec![here]),
        ("metadata.example", vec!["169.254.169.254:80".parse().unwrap()]),
        ("public.example", vec![public]),
        ("nowhere.example", Vec::new()),
    ]));
    let port = here.port();
    let refused = |url: String, allow_private: bool| {
        let mut spec = http(&url);
        let Transport::Http(http) = &mut spec.transport else {
            panic!()
        };
        http.allow_private = allow_private;
        let world = &world;
        async move { world.open(&spec, Era::Modern).await.unwrap_err() }
    };
    for host in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:7f00:1]",
        "here.example",
        "both.example",
        "mapped.example",
        "2130706433",
        "0x7f.1",
        "10.0.0.1",
        "0.0.0.0",
    ] {
        for scheme in ["http", "https"] {
            let failure = refused(format!("{scheme}://{host}:{port}/mcp"), false).await;
            assert_eq!(
                (failure.kind, failure.sent),
                (ErrorKind::AddressRefused, Sent::No),
                "{scheme} {host}"
            );
        }
    }
    for host in [
        "169.254.169.254",
        "metadata.example",
        "[::ffff:169.254.169.254]",
        "0.0.0.0",
        "[::]",
    ] {
        let failure = refused(format!("http://{host}/mcp"), true).await;
        assert_eq!(failure.kind, ErrorKind::AddressRefused, "{host}");
    }
    // A public address is not spoken to in the clear, whatever the description says.
    for host in ["public.example", "93.184.216.34", "both.example"] {
        let failure = refused(format!("http://{host}/mcp"), true).await;
        assert_eq!(failure.kind, ErrorKind::AddressRefused, "{host}");
    }
    assert_eq!(
        refused("http://nowhere.example/".to_owned(), true).await.kind,
        ErrorKind::Unreachable
    );
    assert_eq!(
        refused("http://unknown.example/".to_owned(), true).await.kind,
        ErrorKind::Unreachable
    );
    assert_eq!(
        refused("gopher://x/".to_owned(), true).await.kind,
        ErrorKind::BadSpec
    );
    assert_eq!(
        server.connections.load(Ordering::SeqCst),
        0,
        "nothing was dialled"
    );
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_checked_every_time() {
    struct Rebinding(AtomicUsize, SocketAddr);
    impl Resolve for Rebinding {
        fn resolve<'a>(
            &'a self,
            _: &'a str,
            _: u16,
        ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
            let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
            let there = if first {
                self.1
            } else {
                "169.254.169.254:80".parse().unwrap()
            };
            Box::pin(std::future::ready(Ok(vec![there])))
        }
    }
    let server = WireServer::start(|seen| modern(seen, |_| vec![Step::Close])).await;
    let here: SocketAddr = server.url["http://".len()..]
        .trim_end_matches("/mcp")
        .parse()
        .unwrap();
    let mut world = world();
    world.environment.resolver = Arc::new(Rebinding(AtomicUsize::new(0), here));
    let (connection, _notices) = world
        .open(&http("http://rebinding.example/mcp"), Era::Modern)
        .await
        .unwrap();
    // The first connection breaks, so the second call has to dial again.
    call(&world, &connection, &tool("t", "{}")).await.unwrap_err();
    let failure = call(&world, &connection, &tool("t", "{}")).await.unwrap_err();
    assert_eq!(
        (failure.kind, failure.sent),
        (ErrorKind::AddressRefused, Sent::No)
    );
    assert!(
        failure
            .at(&"x".parse().unwrap(), &Scrubber::default())
            .is_certain_failure()
    );
}

#[tokio::test]
async fn an_unreachable_server_fails_for_certain() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let failure = world().open(&http(&url), Era::Modern).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (ErrorKind::Unreachable, Sent::No));
}
