//! A new human does not count towards two people until somebody else confirmed them.

use remit_core::authority::Authority;
use remit_core::decision::Tier;
use remit_core::people::Role;
use remit_core::task::Intent;
use remit_server::approvals::vote::{self, Reach};
use remit_server::people;
use remit_server::tasks::open::{NewTask, open};
use serde_json::json;

use crate::house::{House, decision, name};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_registers_people_is_not_two_people() {
    let house = House::open("20ms").await;
    house.add_stub().await;
    let app = house.app();
    let add = async |who: &str, role: Role| {
        people::add_human(
            app,
            people::NewHuman::new(name(who), [role].into()),
            &name("alice"),
        )
        .await
        .unwrap()
    };
    add("bob", Role::Approver).await;
    add("carol", Role::Administrator).await;
    let mut limit = Authority::unbounded();
    limit
        .stricter
        .insert("fs/write_file".parse().unwrap(), Tier::TwoPerson);
    let intent = Intent {
        goal: "write".to_owned(),
        purpose: String::new(),
    };
    let mut new = NewTask::new(name("coder"), intent);
    new.allow = vec!["fs/write_file".parse().unwrap()];
    new.limit = Some(limit);
    let task = open(app, new, &name("alice")).await.unwrap();
    let held = house
        .call(
            &task.token,
            "write_file",
            json!({"path": "/srv/x", "content": "x"}),
        )
        .await;
    assert_eq!(decision(&held)["decision"], "hold", "{held}");
    let approval = decision(&held)["approval_id"].as_str().unwrap().parse().unwrap();
    let vote = async || {
        vote::approve(app, approval, Reach::Once, String::new(), &name("bob"))
            .await
            .unwrap_err()
            .to_string()
    };
    assert!(vote().await.contains("is new here"), "{}", vote().await);

    // Nobody is their own second person, whoever added somebody is not either, and a newcomer vouches for nobody.
    for by in ["bob", "alice", "carol"] {
        assert!(
            people::confirm_human(app, &name("bob"), &name(by)).await.is_err(),
            "{by}"
        );
    }
    assert!(
        people::confirm_human(app, &name("carol"), &name("alice"))
            .await
            .is_err()
    );
    assert!(vote().await.contains("is new here"));
    // The call of a run that nothing shuts in takes no verdict from this machine: what is refused now is that.
    app.store
        .append(
            remit_ledger::record::Record {
                kind: "test".to_owned(),
                ..Default::default()
            },
            |tx| remit_store::seniority::confirm(tx, &name("bob"), &name("carol")),
        )
        .await
        .unwrap();
    assert!(vote().await.contains("weak"), "{}", vote().await);
}
