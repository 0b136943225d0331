//! The broker: values go in and never come out again, rotate without a failed use, and end with their task.

use remit_broker::source::Source;
use remit_core::task::Ending;
use remit_server::broker::vault::{self, Given, NewSecret};
use remit_server::broker::{CredentialFailure, credential, placeholder, resolve};
use remit_server::engine::session;
use secrecy::{ExposeSecret as _, SecretString};

use crate::house::{House, name};

const CANARY: &str = "canary-5be1c0de-4f1e";

async fn keep(house: &House, secret: &str, system: &str, value: Given) {
    let new = NewSecret {
        name: name(secret),
        system: Some(name(system)),
        account: None,
        value,
    };
    vault::add(house.app(), new, &name("alice")).await.unwrap();
}

fn value(text: &str) -> Given {
    Given::Value(SecretString::from(text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_there_for_its_task_and_gone_with_it() {
    let house = House::open("100ms").await;
    let app = house.app();
    let task = house.task(&["fs/*"], &[]).await;
    let live = session::of_task(app, task.task.id).await.unwrap();
    let none = credential(app, &live, &name("stripe")).await.unwrap_err();
    assert_eq!(none, CredentialFailure::None(name("stripe")));

    keep(&house, "stripe-key", "stripe", value(CANARY)).await;
    let found = credential(app, &live, &name("stripe")).await.unwrap();
    assert_eq!(found.value.expose_secret(), CANARY);
    assert!(found.expires_at <= task.task.expires_at);
    let again = credential(app, &live, &name("stripe")).await.unwrap();
    assert_eq!(again.lease, found.lease, "one lease for one task");
    let elsewhere = credential(app, &live, &name("github")).await.unwrap_err();
    assert_eq!(elsewhere, CredentialFailure::None(name("github")));

    remit_server::tasks::end::done(app, task.task.id, Ending::Completed, &name("alice"))
        .await
        .unwrap();
    let lease = found.lease;
    let ended = app
        .store
        .read_blocking(move |conn| remit_store::leases::get(conn, lease))
        .unwrap()
        .unwrap();
    assert_eq!(ended.state, remit_core::lease::LeaseState::Dead);
    assert!(credential(app, &live, &name("stripe")).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_placeholder_leads_back_for_its_run_and_system_only() {
    let house = House::open("100ms").await;
    let app = house.app();
    keep(&house, "stripe-key", "stripe", value(CANARY)).await;
    keep(&house, "github-key", "github", value("another-value")).await;
    let (one, two) = (house.task(&["fs/*"], &[]).await, house.task(&["fs/*"], &[]).await);
    let held = placeholder(app, one.task.run, &name("stripe-key"));
    assert!(held.starts_with("remit-placeholder-") && !held.contains("canary"));
    assert_eq!(held, placeholder(app, one.task.run, &name("stripe-key")));
    assert_ne!(held, placeholder(app, two.task.run, &name("stripe-key")));
    assert_eq!(
        resolve(app, one.task.run, &name("stripe"), &held),
        Some(name("stripe-key"))
    );
    assert_eq!(
        resolve(app, two.task.run, &name("stripe"), &held),
        None,
        "another run"
    );
    assert_eq!(
        resolve(app, one.task.run, &name("github"), &held),
        None,
        "another system"
    );
    assert_eq!(
        resolve(app, one.task.run, &name("stripe"), "remit-placeholder-"),
        None
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_and_rollback_fail_no_use() {
    let house = House::open("100ms").await;
    let app = std::sync::Arc::clone(house.app());
    keep(&house, "stripe-key", "stripe", value("value-number-1")).await;
    let task = house.task(&["fs/*"], &[]).await;
    let live = session::of_task(&app, task.task.id).await.unwrap();
    let using = {
        let (app, live) = (std::sync::Arc::clone(&app), std::sync::Arc::clone(&live));
        tokio::spawn(async move {
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..200 {
                let found = credential(&app, &live, &name("stripe")).await.unwrap();
                seen.insert(found.value.expose_secret().to_owned());
                tokio::task::yield_now().await;
            }
            seen
        })
    };
    for number in 2..=4 {
        let next = SecretString::from(format!("value-number-{number}"));
        assert_eq!(
            vault::rotate(&app, &name("stripe-key"), &next, &name("alice"))
                .await
                .unwrap(),
            number
        );
    }
    assert_eq!(
        vault::rollback(&app, &name("stripe-key"), None, &name("alice"))
            .await
            .unwrap(),
        3
    );
    let seen = using.await.unwrap();
    assert!(
        seen.iter().all(|value| value.starts_with("value-number-")),
        "{seen:?}"
    );
    let now = credential(&app, &live, &name("stripe")).await.unwrap();
    assert_eq!(now.value.expose_secret(), "value-number-3");
    // Forward again: version 4 still has its value.
    assert_eq!(
        vault::rollback(&app, &name("stripe-key"), Some(4), &name("alice"))
            .await
            .unwrap(),
        4
    );
    vault::retire(&app, &name("stripe-key"), &name("alice"))
        .await
        .unwrap();
    assert!(credential(&app, &live, &name("stripe")).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_follow_what_they_lead_to() {
    let house = House::open("100ms").await;
    let app = house.app();
    let path = house.folder.join("erp.secret");
    std::fs::write(&path, "first-value\n").unwrap();
    let source = Source::File(path.clone());
    keep(&house, "erp", "erp", Given::Reference(source)).await;
    let task = house.task(&["fs/*"], &[]).await;
    let live = session::of_task(app, task.task.id).await.unwrap();
    let first = credential(app, &live, &name("erp")).await.unwrap();
    assert_eq!(first.value.expose_secret(), "first-value");
    std::fs::write(&path, "second-value\n").unwrap();
    let second = credential(app, &live, &name("erp")).await.unwrap();
    assert_eq!(second.value.expose_secret(), "second-value");
    let refused = vault::rotate(app, &name("erp"), &SecretString::from("x"), &name("alice")).await;
    assert!(refused.unwrap_err().to_string().contains("rotate it there"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_is_anywhere_at_rest() {
    let house = House::open("100ms").await;
    keep(&house, "stripe-key", "stripe", value(CANARY)).await;
    let task = house.task(&["fs/*"], &[]).await;
    let live = session::of_task(house.app(), task.task.id).await.unwrap();
    let found = credential(house.app(), &live, &name("stripe")).await.unwrap();
    assert!(!format!("{found:?} {:?}", house.app().broker).contains("canary"));
    let known = remit_server::secrets::known(house.app());
    assert!(known.iter().any(|value| value.as_str() == CANARY));
    let mut looked = 0;
    let mut folders = vec![house.folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_type().unwrap().is_file() {
                let bytes = std::fs::read(entry.path()).unwrap();
                let found = bytes
                    .windows(CANARY.len())
                    .any(|window| window == CANARY.as_bytes());
                assert!(!found, "the value lies open in {}", entry.path().display());
                looked += bytes.len();
            }
        }
    }
    assert!(looked > 10_000, "the store was looked at");
}
