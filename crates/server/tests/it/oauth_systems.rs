//! Systems behind a person's login: the agent carries a placeholder, the token is refreshed by one, and a call without a login
//! waits for the person.

use remit_core::lease::{LeaseClass, LeaseState};
use remit_server::config::Config;
use remit_server::logins::{Whose, answer, begin, tokens};
use serde_json::{Value, json};

use crate::backends::{Agent, add_system};
use crate::house::{House, name};
use crate::locked::Locked;

const CRM: &str = r#"
title = "A CRM"
credentials = [{ header = "authorization", schemes = ["bearer"] }]
[[operations]]
name = "contacts.get"
call = "GET /api/{id}"
class = "read"
resources = ["contacts/{id}"]
"#;

async fn house(locked: &Locked) -> House {
    let mut config = Config::default();
    config.hold.wait = "100ms".to_owned();
    let more: Config = toml::from_str(&format!(
        "[credentials.crm-login]\nbackend = 'oauth'\nsystem = 'crm'\nissuer = '{}'\nclient_id = 'remit-test'",
        locked.issuer()
    ))
    .unwrap();
    config.credentials = more.credentials;
    config.check().unwrap();
    let house = House::open_with(config).await;
    add_system(&house, "crm", CRM, &locked.issuer()).await;
    house
}

async fn sign_in(house: &House, locked: &Locked) {
    let question = begin::begin(house.app(), &name("crm"), &name("alice"))
        .await
        .unwrap();
    assert!(
        !question.pending.url.contains("resource="),
        "no resource is named: {}",
        question.pending.url
    );
    let query = format!(
        "code=good-code&state={}&iss={}",
        question.pending.state,
        locked.issuer()
    );
    answer::answer(house.app(), &query).await.unwrap();
    house.app().background.idle().await;
}

fn with(agent: &Agent<'_>) -> String {
    format!("Authorization: Bearer {}\r\n", agent.placeholder("crm-login"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_the_login_and_is_made_once_with_a_token_nobody_sees() {
    let locked = Locked::start().await;
    let house = house(&locked).await;
    let agent = Agent::of(&house, "crm", &["crm:contacts"]).await;
    let (status, held) = agent.ask("GET /api/1", &with(&agent), "").await;
    let held: Value = serde_json::from_str(&held).unwrap();
    assert_eq!(
        (status, &held["decision"], &held["reason"]),
        (202, &json!("hold"), &json!("needs_reauth")),
        "{held}"
    );
    assert!(
        held["message"].as_str().unwrap().contains("remit mcp login crm"),
        "{held}"
    );
    assert!(
        !held.to_string().contains("/authorize"),
        "the address is the person's"
    );
    assert!(locked.seen.lock().unwrap().presented.is_empty(), "nothing left");
    sign_in(&house, &locked).await;
    assert_eq!(locked.seen.lock().unwrap().calls, 1, "it went on by itself");
    let (status, body) = agent.ask("GET /api/1", &with(&agent), "").await;
    assert_eq!(
        (status, body.as_str()),
        (200, r#"{"echo":"Bearer [removed by remit]"}"#)
    );
    assert_eq!(
        locked.seen.lock().unwrap().calls,
        1,
        "handed over, not made a second time"
    );

    let lease = agent.leases().pop().unwrap();
    assert_eq!(
        (lease.backend.as_str(), lease.class, lease.state),
        ("oauth", LeaseClass::R0, LeaseState::Live)
    );
    agent.done().await;
    agent.until(LeaseState::Dead).await;
    let ledger = format!("{:?}", house.records().await);
    let file = std::fs::read(house.app().paths.store()).unwrap();
    let wal = std::fs::read(house.app().paths.store().with_extension("db-wal")).unwrap_or_default();
    let all = [file, wal].concat();
    for secret in ["upstream-access-token", "upstream-refresh-token", "good-code"] {
        assert!(!ledger.contains(secret), "{secret}");
        assert!(
            !all.windows(secret.len()).any(|w| w == secret.as_bytes()),
            "{secret} at rest"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_refresh_once_rotation_is_followed_and_a_login_survives_a_crash() {
    let locked = Locked::start().await;
    let house = house(&locked).await;
    sign_in(&house, &locked).await;
    let agent = Agent::of(&house, "crm", &["crm:contacts"]).await;
    let whose = Whose {
        server: name("crm"),
        owner: name("alice"),
    };
    let with = with(&agent);
    for round in 1..=2 {
        let slot = house.app().logins.slot(&whose);
        slot.state.lock().await.held.as_mut().unwrap().expires_at = remit_core::time::Timestamp(0);
        let lines: Vec<String> = (0..8).map(|n| format!("GET /api/{round}{n}")).collect();
        let calls = lines.iter().map(|line| agent.ask(line, &with, ""));
        for (status, body) in futures_util::future::join_all(calls).await {
            assert_eq!(status, 200, "{body}");
        }
        let grants = locked.seen.lock().unwrap().grants.clone();
        assert_eq!(
            grants.iter().filter(|g| *g == "refresh_token").count(),
            round,
            "{grants:?}"
        );
    }
    // A token the system refuses is replaced, and the call is made with the new one; nobody notices.
    let slot = house.app().logins.slot(&whose);
    slot.state.lock().await.refreshed_at = None;
    locked.seen.lock().unwrap().good.clear();
    let calls = ["GET /api/30", "GET /api/31", "GET /api/32"].map(|line| agent.ask(line, &with, ""));
    for (status, body) in futures_util::future::join_all(calls).await {
        assert_eq!(status, 200, "{body}");
    }
    let refreshed = |locked: &Locked| {
        let seen = locked.seen.lock().unwrap();
        seen.grants.iter().filter(|g| *g == "refresh_token").count()
    };
    assert_eq!(refreshed(&locked), 3);
    drop(slot);
    let task = agent.task;
    let house = house.crash_and_restart_as_configured().await;
    let agent = Agent {
        house: &house,
        system: "crm",
        task,
    };
    assert_eq!(agent.ask("GET /api/40", &with, "").await.0, 200);

    // Somebody else used the refresh token: the provider ends the whole family, and the call waits for the person.
    locked.revoke_everything();
    let (status, held) = agent.ask("GET /api/50", &with, "").await;
    assert_eq!(status, 202, "{held}");
    assert!(held.contains("needs_reauth"), "{held}");
    let calls = locked.seen.lock().unwrap().calls;
    sign_in(&house, &locked).await;
    assert_eq!(locked.seen.lock().unwrap().calls, calls + 1);
    assert_eq!(agent.ask("GET /api/50", &with, "").await.0, 200);
    assert_eq!(locked.seen.lock().unwrap().calls, calls + 1);
    let records = house.records().await;
    assert!(records.iter().any(|record| record.kind == "login.over"));
    // Another person's task has no login, whatever this one has.
    let bob = remit_server::people::NewHuman::new(name("bob"), [remit_core::people::Role::Initiator].into());
    remit_server::people::add_human(house.app(), bob, &name("alice"))
        .await
        .unwrap();
    let wish = house.wish(&["crm/*"], &["crm:contacts"]);
    let task = remit_server::tasks::open::open(house.app(), wish, &name("bob"))
        .await
        .unwrap();
    let other = Agent {
        house: &house,
        system: "crm",
        task,
    };
    let (status, held) = other
        .ask(
            "GET /api/60",
            &format!("Authorization: Bearer {}\r\n", other.placeholder("crm-login")),
            "",
        )
        .await;
    assert_eq!(status, 202, "{held}");
    assert!(held.contains("bob has to sign in"), "{held}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_out_is_signed_out_where_the_tokens_were_given() {
    let locked = Locked::start().await;
    let house = house(&locked).await;
    let whose = Whose {
        server: name("crm"),
        owner: name("alice"),
    };
    sign_in(&house, &locked).await;
    let (_, until, refreshed) = tokens::look(house.app(), &whose).await.unwrap().unwrap();
    assert!(refreshed && until > house.app().clock.now());
    assert_eq!(tokens::forget(house.app(), &whose).await.unwrap(), None);
    {
        let seen = locked.seen.lock().unwrap();
        assert_eq!(
            seen.revoked.as_deref().unwrap(),
            ["refresh_token", "access_token"]
        );
        assert!(seen.good.is_empty() && seen.refresh.is_empty());
    }
    assert!(tokens::look(house.app(), &whose).await.unwrap().is_none());
    // Where nothing can be revoked that is said, and the tokens are gone from here all the same.
    locked.seen.lock().unwrap().revoked = None;
    sign_in(&house, &locked).await;
    let (until, why) = tokens::forget(house.app(), &whose).await.unwrap().unwrap();
    assert!(
        until > house.app().clock.now() && why.contains("no revocation endpoint"),
        "{why}"
    );
    assert!(tokens::look(house.app(), &whose).await.unwrap().is_none());
    assert!(matches!(
        tokens::forget(house.app(), &whose).await,
        Err(remit_server::app::Failure::NotFound(_))
    ));
    let kinds: Vec<String> = house
        .records()
        .await
        .into_iter()
        .filter(|record| record.kind == "login.over")
        .map(|record| format!("{:?}", record.detail))
        .collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert!(
        kinds[0].contains("revoked where it was given") && kinds[1].contains("not revoked"),
        "{kinds:?}"
    );
}
