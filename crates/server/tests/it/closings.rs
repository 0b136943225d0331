//! How holds end: the denial an agent hears is a record, and a result is handed over once, across restarts.

use std::time::Duration;

use remit_core::id::{ApprovalId, DecisionId};
use remit_server::app::App;
use remit_server::approvals::vote::{self, Reach};
use remit_server::config::Config;
use remit_server::evidence;
use remit_server::evidence::verify::verify;
use serde_json::{Value, json};

use crate::house::{House, decision, name};

/// The decision id the agent was given is a record that says the same, in the task's timeline too.
async fn expect_recorded(house: &House, heard: &Value, kind: &str) {
    let told = decision(heard);
    let id: DecisionId = told["decision_id"].as_str().unwrap().parse().unwrap();
    let found = evidence::of_decision(house.app(), id).await.unwrap();
    let entry = found.iter().find(|record| record.decision.is_some()).unwrap();
    assert_eq!(entry.decision.as_deref(), told["decision"].as_str(), "{told}");
    assert_eq!(entry.reason.as_deref(), told["reason"].as_str(), "{told}");
    assert_eq!(
        entry.detail.get("message").and_then(|m| m.as_str()),
        told["message"].as_str()
    );
    assert!(found.iter().any(|record| record.kind == kind), "{found:?}");
    let task = entry.task.clone().unwrap().parse().unwrap();
    let line = evidence::of_task(house.app(), task, 0, 1000).await.unwrap();
    assert!(line.iter().any(|record| record.decision_id == entry.decision_id));
}

fn approval_of(held: &Value) -> ApprovalId {
    assert_eq!(decision(held)["decision"], "hold", "{held}");
    decision(held)["approval_id"].as_str().unwrap().parse().unwrap()
}

async fn executed(app: &App, approval: ApprovalId, state: &str) {
    for _ in 0..400 {
        let stored = app
            .store
            .read(move |conn| remit_store::approvals::get(conn, approval))
            .await
            .unwrap()
            .unwrap();
        if stored.approval.state.as_str() == state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("`{approval}` never was {state}");
}

async fn records_of(house: &House, kind: &str) -> usize {
    let all = evidence::range(house.app(), 0, 10_000).await.unwrap();
    all.iter().filter(|record| record.kind == kind).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_a_hold_ends_gives_a_decision_that_is_a_record() {
    let mut config = Config::default();
    config.hold.wait = "20ms".to_owned();
    let house = House::open_with(config).await;
    house.add_stub().await;
    let task = house.task(&["fs/write_file"], &[]).await;
    let write = |path: &str| json!({"path": path, "content": "x"});

    // A person says no, with words.
    let held = house.call(&task.token, "write_file", write("/srv/no")).await;
    let denied = approval_of(&held);
    vote::deny(house.app(), denied, "use a branch".to_owned(), &name("alice"))
        .await
        .unwrap();
    let by_reference = json!({"approval_id": denied.to_string()});
    let heard = house
        .call(&task.token, "remit__resume", by_reference.clone())
        .await;
    assert_eq!(decision(&heard)["reason"], "approval_denied");
    assert_eq!(
        decision(&heard)["message"],
        "alice denied this call: use a branch"
    );
    expect_recorded(&house, &heard, "approval.vote").await;
    let again = house.call(&task.token, "remit__resume", by_reference).await;
    assert_eq!(
        decision(&again)["decision_id"],
        decision(&heard)["decision_id"],
        "one no is one decision"
    );

    // A freeze comes between the yes and the call.
    let held = house.call(&task.token, "write_file", write("/srv/frozen")).await;
    let frozen = approval_of(&held);
    let until = house.app().clock.now().plus_ms(60_000);
    remit_server::freezes::place(
        house.app(),
        "fs:/srv/frozen".parse().unwrap(),
        until,
        "release".to_owned(),
        &name("alice"),
    )
    .await
    .unwrap();
    vote::approve(house.app(), frozen, Reach::Once, String::new(), &name("alice"))
        .await
        .unwrap();
    executed(house.app(), frozen, "cancelled").await;
    let heard = house
        .call(
            &task.token,
            "remit__resume",
            json!({"approval_id": frozen.to_string()}),
        )
        .await;
    assert_eq!(decision(&heard)["reason"], "freeze", "{heard}");
    expect_recorded(&house, &heard, "approval.cancelled").await;

    // What belongs to nobody here is refused, and that is recorded too.
    let heard = house
        .call(
            &task.token,
            "remit__resume",
            json!({"approval_id": "apr_06bzk3v0zw7h1tfm5d8m9x3a5c"}),
        )
        .await;
    if decision(&heard)["decision"].is_string() {
        expect_recorded(&house, &heard, "decision").await;
    }

    // The pending answer of an approval that is open already names the decision that opened it.
    let held = house.call(&task.token, "write_file", write("/srv/open")).await;
    let same = house.call(&task.token, "write_file", write("/srv/open")).await;
    assert_eq!(decision(&same)["decision_id"], decision(&held)["decision_id"]);
    expect_recorded(&house, &held, "decision").await;
    assert!(house.stub.received().is_empty());
    assert!(verify(house.app(), None).await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_nobody_answers_ends_in_a_recorded_decision() {
    let mut config = Config::default();
    config.hold.wait = "5s".to_owned();
    config.hold.window = "1s".to_owned();
    let house = House::open_with(config).await;
    house.add_stub().await;
    let task = house.task(&["fs/write_file"], &[]).await;
    let heard = house
        .call(
            &task.token,
            "write_file",
            json!({"path": "/srv/late", "content": "x"}),
        )
        .await;
    assert_eq!(decision(&heard)["reason"], "approval_expired", "{heard}");
    expect_recorded(&house, &heard, "approval.expired").await;
    assert_eq!(records_of(&house, "approval.expired").await, 1);
    assert!(house.stub.received().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_task_ends_while_it_waits_hears_a_recorded_decision() {
    let house = House::open("10s").await;
    house.add_stub().await;
    let task = house.task(&["fs/write_file"], &[]).await;
    let app = std::sync::Arc::clone(house.app());
    let (mut watch, id) = (app.rooms.watch(), task.task.id);
    tokio::spawn(async move {
        watch.recv().await.unwrap();
        let ending = remit_core::task::Ending::Cancelled;
        remit_server::tasks::end::done(&app, id, ending, &name("alice"))
            .await
            .unwrap();
    });
    let heard = house
        .call(
            &task.token,
            "write_file",
            json!({"path": "/srv/a", "content": "x"}),
        )
        .await;
    assert_eq!(decision(&heard)["reason"], "task_ended", "{heard}");
    expect_recorded(&house, &heard, "decision").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_was_handed_over_is_so_after_a_crash() {
    let house = House::open("50ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/write_file"], &[]).await;
    let arguments = json!({"path": "/srv/anywhere", "content": "x"});
    let held = house.call(&task.token, "write_file", arguments.clone()).await;
    let approval = approval_of(&held);
    vote::approve(house.app(), approval, Reach::Once, String::new(), &name("alice"))
        .await
        .unwrap();
    executed(house.app(), approval, "spent").await;
    while house.stub.received().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Not handed over yet: after a crash the identical call fetches it, once.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let house = house.crash_and_restart("50ms").await;
    let fetched = house.call(&task.token, "write_file", arguments.clone()).await;
    assert_eq!(fetched["content"][0]["text"], "did \"write_file\"", "{fetched}");
    while records_of(&house, "approval.redeemed").await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Handed over: after a crash the identical call is a new one.
    let house = house.crash_and_restart("50ms").await;
    let second = house.call(&task.token, "write_file", arguments).await;
    assert_ne!(approval_of(&second), approval);
    let by_reference = house
        .call(
            &task.token,
            "remit__resume",
            json!({"approval_id": approval.to_string()}),
        )
        .await;
    assert_eq!(by_reference["content"], fetched["content"], "{by_reference}");
    assert_eq!(house.stub.received().len(), 1, "it never runs twice");
    assert_eq!(records_of(&house, "approval.redeemed").await, 1);
    assert!(verify(house.app(), None).await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_agreed_to_is_waited_for_even_when_people_are_not() {
    let house = House::open("0s").await;
    house.add_stub().await;
    house.stub.delay(Duration::from_millis(500));
    let task = house.task(&["fs/write_file"], &[]).await;
    let arguments = json!({"path": "/srv/anywhere", "content": "x"});
    let held = house.call(&task.token, "write_file", arguments.clone()).await;
    vote::approve(
        house.app(),
        approval_of(&held),
        Reach::Once,
        String::new(),
        &name("alice"),
    )
    .await
    .unwrap();
    let fetched = house.call(&task.token, "write_file", arguments).await;
    assert_eq!(fetched["content"][0]["text"], "did \"write_file\"", "{fetched}");
    assert_eq!(house.stub.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_went_away_was_not_handed_anything() {
    let house = House::open("8s").await;
    house.add_stub().await;
    let task = house.task(&["fs/write_file"], &[]).await;
    let arguments = json!({"path": "/srv/anywhere", "content": "x"});
    let mut watch = house.app().rooms.watch();
    let waiting = house.call(&task.token, "write_file", arguments.clone());
    // The connection closes while the call waits.
    let gone = tokio::select! {
        answer = waiting => panic!("nobody approved this: {answer}"),
        approval = watch.recv() => approval.unwrap(),
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    // A grant would let an identical call run again; the result that waits comes first.
    vote::approve(house.app(), gone, Reach::Task, String::new(), &name("alice"))
        .await
        .unwrap();
    executed(house.app(), gone, "spent").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let fetched = house.call(&task.token, "write_file", arguments).await;
    assert_eq!(fetched["content"][0]["text"], "did \"write_file\"", "{fetched}");
    assert_eq!(house.stub.received().len(), 1, "the result waited for its agent");
}
