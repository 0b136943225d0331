//! Upstream servers behind OAuth: agents never see a token, people sign in, calls wait for them.

use remit_server::config::{Config, Server, UpstreamOauth};
use remit_server::logins::{answer, begin};
use remit_store::servers::Transport;
use serde_json::{Value, json};

use crate::house::{House, name};
use crate::locked::Locked;

async fn house(locked: &Locked, wait: &str) -> House {
    let mut config = Config::default();
    config.hold.wait = wait.to_owned();
    let server = Server {
        url: Some(format!("{}/mcp", locked.issuer())),
        allow_private: true,
        oauth: Some(UpstreamOauth {
            client_id: Some("remit-test".to_owned()),
            ..UpstreamOauth::default()
        }),
        ..Server::default()
    };
    config.servers.insert("fs".to_owned(), server);
    config.check().unwrap();
    let house = House::open_with(config).await;
    registered(&house).await;
    house
}

/// The configured server is added in the background.
async fn registered(house: &House) {
    until(|| house.app().world().registry.server(&name("fs")).is_some()).await;
    let entry = house.app().world();
    let server = &entry.registry.server(&name("fs")).unwrap().server;
    assert!(matches!(&server.transport, Transport::Url(_)));
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it never happened");
}

fn callable(house: &House) -> bool {
    let world = house.app().world();
    let entry = world.registry.server(&name("fs"));
    entry.is_some_and(|entry| {
        entry
            .tools
            .values()
            .any(|tool| !tool.is_surface() && tool.is_callable())
    })
}

/// What the person does: opens the address, agrees, comes back.
async fn sign_in(house: &House, locked: &Locked) {
    let question = begin::begin(house.app(), &name("fs"), &name("alice"))
        .await
        .unwrap();
    let query = format!(
        "code=good-code&state={}&iss={}",
        question.pending.state,
        locked.issuer()
    );
    answer::answer(house.app(), &query).await.unwrap();
    until(|| callable(house)).await;
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}

/// Everything that was recorded, as text.
async fn ledger(house: &House) -> String {
    let records = house
        .app()
        .store
        .read(|conn| remit_store::records::range(conn, 0, 10_000))
        .await
        .unwrap();
    records
        .iter()
        .map(|record| String::from_utf8(record.leaf.clone()).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_server_and_is_seen_by_nobody_else() {
    let locked = Locked::start().await;
    let house = house(&locked, "1s").await;
    assert!(!callable(&house), "nothing is known of a closed server");
    sign_in(&house, &locked).await;
    let task = house.task(&["fs/read_file"], &[]).await;
    let result = house.call(&task.token, "read_file", json!({"path": "/a"})).await;
    assert_eq!(text(&result), "read with Bearer [removed by remit]");
    let presented = locked.seen.lock().unwrap().presented.clone();
    assert!(presented.contains(&"Bearer upstream-access-token-1".to_owned()));
    assert!(
        !presented.iter().any(|p| p.contains(&task.token)),
        "an agent's token never goes upstream"
    );
    let ledger = ledger(&house).await;
    for secret in ["upstream-access-token", "upstream-refresh-token", "good-code"] {
        assert!(!ledger.contains(secret), "{secret}");
    }
    assert!(ledger.contains("login.begin") && ledger.contains("login.ready"));
    // Every request beside MCP was recorded.
    for purpose in [
        "protected resource metadata",
        "authorization server metadata",
        "token for a code",
    ] {
        assert!(ledger.contains(purpose), "{purpose}");
    }
    let file = std::fs::read(house.folder.join("data/remit.db")).unwrap_or_default();
    let wal = std::fs::read(house.folder.join("data/remit.db-wal")).unwrap_or_default();
    let all = [file, wal].concat();
    assert!(!all.is_empty());
    for secret in [&b"upstream-access-token"[..], b"upstream-refresh-token"] {
        assert!(
            !all.windows(secret.len()).any(|w| w == secret),
            "the database holds no token in the clear"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_refresh_once_and_the_refresh_token_rotates() {
    let locked = Locked::start().await;
    let house = house(&locked, "1s").await;
    locked.seen.lock().unwrap().expires_in = 90;
    sign_in(&house, &locked).await;
    let task = house.task(&["fs/read_file"], &[]).await;
    // The token is about to run out.
    let slot = house.app().logins.slot(&remit_server::logins::Whose {
        server: name("fs"),
        owner: name("alice"),
    });
    for round in 1..=2 {
        let mut state = slot.state.lock().await;
        state.held.as_mut().unwrap().expires_at = remit_core::time::Timestamp(0);
        drop(state);
        let calls =
            (0..8).map(|n| house.call(&task.token, "read_file", json!({"path": format!("/{round}/{n}")})));
        for result in futures_util::future::join_all(calls).await {
            assert_eq!(text(&result), "read with Bearer [removed by remit]", "{result}");
        }
        let grants = locked.seen.lock().unwrap().grants.clone();
        assert_eq!(
            grants.iter().filter(|g| *g == "refresh_token").count(),
            round,
            "{grants:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_the_login_and_happens_once() {
    let locked = Locked::start().await;
    let house = house(&locked, "100ms").await;
    sign_in(&house, &locked).await;
    let task = house.task(&["fs/read_file"], &[]).await;
    locked.revoke_everything();
    let held = house.call(&task.token, "read_file", json!({"path": "/a"})).await;
    let decision = &held["_meta"]["dev.remit/decision"];
    assert_eq!(
        (&decision["decision"], &decision["reason"]),
        (&json!("hold"), &json!("needs_reauth")),
        "{held}"
    );
    let message = decision["message"].as_str().unwrap();
    assert!(
        message.contains("remit mcp login fs") && message.contains("alice"),
        "{message}"
    );
    assert!(
        !held.to_string().contains("/authorize"),
        "the address is the person's: whoever opens it chooses the account"
    );
    assert_eq!(locked.seen.lock().unwrap().calls, 0);
    // Agreeing does not sign in: nothing happens.
    let approval = decision["approval_id"].as_str().unwrap().parse().unwrap();
    let once = remit_server::approvals::vote::Reach::Once;
    remit_server::approvals::vote::approve(house.app(), approval, once, String::new(), &name("alice"))
        .await
        .unwrap();
    house.app().background.idle().await;
    assert_eq!(locked.seen.lock().unwrap().calls, 0);
    sign_in(&house, &locked).await;
    until(|| locked.seen.lock().unwrap().calls == 1).await;
    house.app().background.idle().await;
    let result = house.call(&task.token, "read_file", json!({"path": "/a"})).await;
    assert_eq!(text(&result), "read with Bearer [removed by remit]", "{result}");
    assert_eq!(
        locked.seen.lock().unwrap().calls,
        1,
        "handed over, not made a second time"
    );
    let ledger = ledger(&house).await;
    assert!(ledger.contains("login.over"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_counts_once_and_from_who_was_asked_alone() {
    let locked = Locked::start().await;
    let house = house(&locked, "1s").await;
    let app = house.app();
    let (fs, alice) = (name("fs"), name("alice"));
    let begin = || begin::begin(app, &fs, &alice);
    let question = begin().await.unwrap();
    let state = question.pending.state.clone();
    let evil = format!("code=good-code&state={state}&iss=https://evil.example");
    assert!(answer::answer(app, &evil).await.is_err());
    let good = format!("code=good-code&state={state}&iss={}", locked.issuer());
    assert!(
        answer::answer(app, &good).await.is_err(),
        "an answer counts once, a wrong one too"
    );
    assert!(
        answer::answer(app, &format!("code=good-code&state=x&iss={}", locked.issuer()))
            .await
            .is_err()
    );
    assert_eq!(
        locked.seen.lock().unwrap().grants.len(),
        0,
        "no code was redeemed"
    );
    // A later question replaces an earlier one.
    let first = begin().await.unwrap().pending.state.clone();
    begin().await.unwrap();
    assert!(
        answer::answer(
            app,
            &format!("code=good-code&state={first}&iss={}", locked.issuer())
        )
        .await
        .is_err()
    );
    assert!(begin::begin(app, &name("nothing"), &name("alice")).await.is_err());
}
