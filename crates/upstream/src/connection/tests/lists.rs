//! Lists and subscriptions: read whole, bounded, and ended with the authority.

use super::wire_server::*;
use super::*;

#[tokio::test]
async fn everything_is_read_page_by_page() {
    let server = WireServer::start(|seen| {
        modern(seen, |seen| {
            let second = seen.body.contains(r#""cursor":"two""#);
            let page = if second {
                r#"{"tools":[{"name":"b","description":"\u001b[1mhunter2-hunter2"}]}"#
            } else {
                r#"{"tools":[{"name":"a"}],"nextCursor":"two"}"#
            };
            json(&result(seen.id(), page))
        })
    })
    .await;
    let world = world();
    let (connection, _notices) = world.open(&http(&server.url), Era::Modern).await.unwrap();
    let found = introspect::read(&connection.0, &world.terms).await.unwrap();
    let expected = [
        object(r#"{"name":"a"}"#),
        object(r#"{"name":"b","description":"\u001b[1mhunter2-hunter2"}"#),
    ];
    assert_eq!(found.tools, expected, "raw, for fingerprints");
    assert!(found.prompts.is_empty() && server.requests("prompts/list").is_empty());
}

#[tokio::test]
async fn lists_without_end_are_refused() {
    for (page, kind) in [
        (r#"{"tools":[],"nextCursor":"same"}"#, ErrorKind::Protocol),
        (r#"{"tools":[],"nextCursor":7}"#, ErrorKind::Protocol),
        (r#"{"tools":{}}"#, ErrorKind::Protocol),
        (r#"{"tools":["x"]}"#, ErrorKind::Protocol),
        ("endless", ErrorKind::TooLarge),
        ("many", ErrorKind::TooLarge),
        ("big", ErrorKind::TooLarge),
    ] {
        let server = WireServer::start(move |seen| {
            modern(seen, |seen| {
                let id = seen.id();
                let page = match page {
                    "endless" => format!(r#"{{"tools":[],"nextCursor":"{id}"}}"#),
                    "many" => format!(r#"{{"tools":[{}{{}}]}}"#, "{},".repeat(1000)),
                    "big" => format!(r#"{{"tools":[{{"d":"{}"}}]}}"#, "x".repeat(300_000)),
                    page => page.to_owned(),
                };
                json(&result(id, &page))
            })
        })
        .await;
        let world = world();
        let (connection, _notices) = world.open(&http(&server.url), Era::Modern).await.unwrap();
        let failure = introspect::read(&connection.0, &world.terms).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{page}: {failure:?}");
    }
}

#[tokio::test]
async fn subscriptions_follow_the_authority() {
    let server = WireServer::start(|seen| {
        modern(seen, |seen| {
            let id = seen.id();
            vec![
                events(),
                event(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{{}}}}}}"#)),
                event(r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"test://a"}}"#),
                event(r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"test://other"}}"#),
                Step::Hang,
            ]
        })
    })
    .await;
    let world = world();
    let (connection, mut notices) = world.open(&http(&server.url), Era::Modern).await.unwrap();
    let made = a_call(Operation::Subscribe("test://a".to_owned()), "{}");
    let first = subscription::open(&connection.0, &made, &world.terms)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        notices.next().await,
        Some(crate::Notice::ResourceUpdated("test://a".to_owned()))
    );
    first.end().await;
    until("its stream is closed", || server.left.load(Ordering::SeqCst) == 1).await;

    let (holder, lifeline) = remit_enforce::LifelineHolder::new();
    let terms = Terms {
        lifeline,
        ..world.terms.clone()
    };
    let _second = subscription::open(&connection.0, &made, &terms)
        .await
        .unwrap()
        .unwrap();
    holder.cut(remit_enforce::Cut::Ended);
    until("the stream is cut with the authority", || {
        server.left.load(Ordering::SeqCst) == 2
    })
    .await;
}

#[tokio::test]
async fn a_legacy_subscription_is_taken_back() {
    let server = WireServer::start(|seen| legacy(seen, |seen| json(&result(seen.id(), "{}")))).await;
    let world = world();
    let (connection, _notices) = world.open(&http(&server.url), Era::Legacy).await.unwrap();
    let made = a_call(Operation::Subscribe("test://a".to_owned()), "{}");
    let one = subscription::open(&connection.0, &made, &world.terms)
        .await
        .unwrap()
        .unwrap();
    let two = subscription::open(&connection.0, &made, &world.terms)
        .await
        .unwrap()
        .unwrap();
    one.end().await;
    assert!(
        server.requests("resources/unsubscribe").is_empty(),
        "somebody still listens"
    );
    two.end().await;
    assert_eq!(server.requests("resources/unsubscribe").len(), 1);
}

#[tokio::test]
async fn a_new_session_is_told_of_the_subscriptions() {
    let lost = Arc::new(AtomicUsize::new(0));
    let losing = lost.clone();
    let server = WireServer::start(move |seen| {
        let losing = losing.clone();
        legacy(seen, move |seen| {
            if seen.method() == "tools/call" && losing.fetch_add(1, Ordering::SeqCst) == 0 {
                return vec![answer("404 Not Found", "", "")];
            }
            json(&result(seen.id(), "{}"))
        })
    })
    .await;
    let world = world();
    let (connection, mut notices) = world.open(&http(&server.url), Era::Legacy).await.unwrap();
    let made = a_call(Operation::Subscribe("test://a".to_owned()), "{}");
    let subscribed = subscription::open(&connection.0, &made, &world.terms)
        .await
        .unwrap()
        .unwrap();
    let failure = call(&world, &connection, &tool("t", "{}")).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::SessionLost);
    assert_eq!(server.requests("resources/subscribe").len(), 2);
    let missed = crate::Notice::ResourceUpdated("test://a".to_owned());
    assert_eq!(notices.next().await, Some(missed));
    subscribed.end().await;
}
