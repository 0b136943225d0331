//! A stop of a host or a tool finds every call between its record and its outcome, whatever it is doing.

use std::time::Duration;

use remit_core::call::Operation;
use remit_core::confinement::Proof;
use remit_gateway::ports::{Answer, Era};
use remit_server::broker::{placeholder, vault};
use remit_server::engine::call::{Asked, Decided, Redeemed, decide};
use remit_server::engine::send::{Manner, send};
use remit_server::engine::session;
use remit_server::tasks::end::Gone;
use remit_server::tasks::kill::{Target, kill, lift};
use remit_upstream::CallOptions;

use crate::databases::Folder;
use crate::egress::Bed;
use crate::house::{House, name};

async fn stop(house: &House, what: &str) -> Gone {
    let target = Target::parse(what).unwrap();
    kill(house.app(), target, &name("alice"), "leak").await.unwrap()
}

/// The credential comes from a program that takes its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_still_getting_its_credential_is_stopped_and_never_leaves() {
    let bed = Bed::open("100ms", false).await;
    let folder = Folder::new();
    let at = |file: &str| folder.0.join(file);
    std::fs::write(
        at("value.sh"),
        format!(
            "cd {} && if [ -e slow ]; then touch asked; while [ ! -e go ]; do sleep 0.05; done; fi; echo sk-live-4f9a7c1e2b8d6503",
            folder.0.display()
        ),
    )
    .unwrap();
    let secret = vault::NewSecret {
        name: name("pets-key"),
        system: Some(name("pets")),
        account: None,
        value: vault::Given::Reference(
            format!("command:sh {}", at("value.sh").display())
                .parse()
                .unwrap(),
        ),
    };
    vault::add(bed.house.app(), secret, &name("alice")).await.unwrap();
    std::fs::write(at("slow"), "").unwrap();

    let task = bed.task().await;
    let mine = placeholder(bed.house.app(), task.task.run, &name("pets-key"));
    let port = bed.upstream.port;
    let ask = format!(
        "GET http://pets.example:{port}/pets/1 HTTP/1.1\r\nHost: pets.example:{port}\r\nProxy-Authorization: Bearer {}\r\nAuthorization: Bearer {mine}\r\nConnection: close\r\n\r\n",
        task.token
    );
    for what in ["host:pets.example", "pets/pets.get"] {
        let (answer, gone) = tokio::join!(bed.raw(ask.as_bytes()), async {
            while !at("asked").exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            stop(&bed.house, what).await
        });
        assert_eq!(gone.in_flight.len(), 1, "{what}: {gone:?}");
        // The answer came while the program was still running.
        assert!(
            answer.starts_with("HTTP/1.1 502") && answer.contains("stopped"),
            "{what}: {answer}"
        );
        std::fs::write(at("go"), "").unwrap();
        bed.house.app().background.idle().await;
        std::fs::remove_file(at("go")).unwrap();
        std::fs::remove_file(at("asked")).unwrap();
        let (status, refused) = bed.base(&task.token, "GET /pets/2", "", "").await;
        assert_eq!(status, 403, "{what}: {refused}");
        if what.starts_with("host:") {
            assert_eq!(refused["reason"], "destination_not_allowed", "{refused}");
            lift(bed.house.app(), Target::parse(what).unwrap(), &name("alice"))
                .await
                .unwrap();
        }
    }
    assert!(bed.upstream.seen().is_empty() && bed.names.asked().is_empty());
    let records = bed.house.records().await;
    let outcomes: Vec<&str> = records
        .iter()
        .filter(|record| record.kind == "outcome")
        .filter_map(|record| record.outcome.as_deref())
        .collect();
    assert_eq!(outcomes, ["failed", "failed"]);
}

/// Between the record and the first byte nothing lies open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_under_way_from_its_record_on() {
    let house = House::open("50ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv"]).await;
    let live = session::of_task(house.app(), task.task.id).await.unwrap();
    for what in ["host:127.0.0.1", "fs/read_file"] {
        let arguments =
            remit_core::json::parse(br#"{"path":"/srv/a"}"#, &remit_core::json::Bounds::RESPONSE).unwrap();
        let asked = Asked {
            server: name("fs"),
            operation: Operation::CallTool("read_file".parse().unwrap()),
            arguments: arguments.as_object().unwrap().clone(),
            era: Era::Modern,
            proof: Proof::Bearer,
            attachment: None,
            cause: None,
        };
        let decided = decide(house.app(), &live, &asked, &Redeemed::Nothing)
            .await
            .unwrap();
        let Decided::Allowed(allowed) = decided else {
            panic!("{what}: {decided:?}")
        };
        let call = allowed.call.to_string();
        let gone = stop(&house, what).await;
        assert_eq!(
            gone.in_flight
                .iter()
                .map(|flight| flight.call.clone())
                .collect::<Vec<_>>(),
            [call]
        );
        let manner = Manner {
            era: Era::Modern,
            options: CallOptions::default(),
            keep: false,
        };
        let answer = send(house.app(), &live, *allowed, manner, None).await.unwrap();
        let Answer::Result(result) = answer else {
            panic!("{what}: {answer:?}")
        };
        let text = remit_core::json::Value::Object(result).to_string();
        assert!(
            text.contains("stopped") && text.contains("was not done"),
            "{what}: {text}"
        );
        // Once it has its outcome it is not under way any more.
        assert!(stop(&house, what).await.in_flight.is_empty());
        if what.starts_with("host:") {
            lift(house.app(), Target::parse(what).unwrap(), &name("alice"))
                .await
                .unwrap();
        }
    }
    assert!(house.stub.received().is_empty());
}
