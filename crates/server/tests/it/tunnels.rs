//! `CONNECT`: what a task has nothing to do with is refused in words before any TLS, and recorded; the run's certificate
//! authority follows its task.

use std::process::{Command, Output};

use remit_server::egress::systems::{self, NewSystem};
use remit_server::tasks::amend::{Change, amend};

use crate::egress::{Bed, PETS};
use crate::house::name;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_system_outside_the_task_is_refused_at_the_door_until_the_task_is_amended() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: no curl here");
        return;
    }
    let bed = Bed::open("100ms", true).await;
    let app = bed.house.app();
    // The same upstream under another name of its certificate.
    let zoo = NewSystem {
        description: Some(PETS.to_owned()),
        hosts: vec!["zoo.example".to_owned()],
        scheme: Some("https".to_owned()),
        port: Some(bed.upstream.port),
        allow_private: true,
        ..NewSystem::default()
    };
    systems::add(app, &name("zoo"), &zoo, &name("alice"))
        .await
        .unwrap();
    let task = bed.task().await;
    let live = remit_server::engine::session::of_task(app, task.task.id)
        .await
        .unwrap();
    let trust = bed.house.folder.join("ca.pem");
    let before = app.egress.authority(app, &live).unwrap();
    std::fs::write(&trust, before.pem()).unwrap();
    let proxy = format!("http://run:{}@{}", task.token, bed.house.running.address);
    let port = bed.upstream.port;
    let ask = |host: &str, path: &str| {
        let (proxy, trust, url) = (
            proxy.clone(),
            trust.clone(),
            format!("https://{host}:{port}{path}"),
        );
        tokio::task::spawn_blocking(move || -> Output {
            let mut curl = Command::new("curl");
            curl.args([
                "-sS",
                "-m",
                "20",
                "-w",
                "\n%{http_code} %{http_connect}",
                "--proxy",
                &proxy,
            ])
            .arg("--cacert")
            .arg(trust)
            .arg(url)
            .env_remove("NO_PROXY");
            curl.output().unwrap()
        })
    };
    let out = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let refused = ask("zoo.example", "/pets/1").await.unwrap();
    assert!(out(&refused).ends_with("000 403"), "{refused:?}");
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        words.contains("403") && !words.to_lowercase().contains("certificate"),
        "{words}"
    );
    let decisions = bed.decisions().await;
    let denied: Vec<&String> = decisions
        .iter()
        .filter(|record| record.contains("zoo/refused"))
        .collect();
    assert_eq!(denied.len(), 1, "{decisions:?}");
    assert!(
        denied[0].contains("out_of_authority") && denied[0].contains("host:zoo.example"),
        "{}",
        denied[0]
    );
    // What the client is told, for those that read it.
    let said = bed
        .raw(
            format!(
                "CONNECT zoo.example:{port} HTTP/1.1\r\nHost: zoo.example:{port}\r\nProxy-Authorization: Bearer {}\r\nConnection: close\r\n\r\n",
                task.token
            )
            .as_bytes(),
        )
        .await;
    assert!(
        said.starts_with("HTTP/1.1 403") && said.contains("the task allows nothing of `zoo`"),
        "{said}"
    );
    assert!(bed.names.asked().is_empty());

    let change = Change {
        tools: vec!["zoo/*".parse().unwrap()],
        resources: vec!["zoo:pets".parse().unwrap()],
        ..Change::default()
    };
    amend(app, task.task.id, change, &name("alice")).await.unwrap();
    // A client that read the files before takes what they were for, and nothing more.
    let pets = ask("pets.example", "/pets/1").await.unwrap();
    assert!(out(&pets).ends_with("200 200"), "{pets:?}");
    let not_yet = ask("zoo.example", "/pets/1").await.unwrap();
    assert!(out(&not_yet).ends_with("000 200"), "{not_yet:?}");
    let after = app.egress.authority(app, &live).unwrap();
    assert_ne!(before.pem(), after.pem());
    std::fs::write(&trust, after.pem()).unwrap();
    for host in ["zoo.example", "pets.example"] {
        let done = ask(host, "/pets/1").await.unwrap();
        assert!(out(&done).ends_with("200 200"), "{host}: {done:?}");
    }
    assert_eq!(
        app.egress.authority(app, &live).unwrap().pem(),
        after.pem(),
        "nothing changed, so it stays"
    );
}
