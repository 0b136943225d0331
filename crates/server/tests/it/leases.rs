//! Leases on a real PostgreSQL: a thousand cut at once, and none left behind by a crash anywhere on the way.

use std::time::{Duration, Instant};

use remit_broker::backend::postgresql::{self, Account, Rights, Session, Verbs};
use remit_broker::port::{Pending, Place, Stream, Streams, Unreached};
use remit_core::time::Timestamp;
use secrecy::SecretString;

use crate::databases::Erp;
use crate::postgres_bed::Cluster;

/// Sockets of this machine, without a house around them.
pub struct Sockets;

impl Streams for Sockets {
    fn open<'a>(&'a self, place: &'a Place) -> Pending<'a, Result<Stream, Unreached>> {
        Box::pin(async move {
            let Place::Socket(path) = place else {
                panic!("sockets only")
            };
            let stream = tokio::net::UnixStream::connect(path)
                .await
                .map_err(|error| Unreached::Away(error.to_string()))?;
            Ok(Box::new(stream) as Stream)
        })
    }
}

pub fn account(url: &str, user: &str, password: Option<&SecretString>) -> Account {
    let part = |key: &str| {
        let found = url
            .split(' ')
            .find_map(|part| part.strip_prefix(&format!("{key}=")));
        found.unwrap().to_owned()
    };
    Account {
        place: Place::Socket(std::path::Path::new(&part("host")).join(".s.PGSQL.5432")),
        database: part("dbname"),
        user: user.to_owned(),
        password: password.cloned(),
    }
}

async fn signed_in(url: &str, user: &str) -> Result<Session, String> {
    postgresql::connect(&account(url, user, None), "public", &Sockets)
        .await
        .map_err(|error| error.to_string())
}

#[expect(clippy::disallowed_methods, reason = "the test measures, it decides nothing")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_leases_are_cut_at_once() {
    let url = tokio::task::spawn_blocking(|| Cluster::shared().map(Cluster::fresh_database))
        .await
        .unwrap();
    let Some(url) = url else { return };
    let admin = signed_in(&url, "postgres").await.unwrap();
    let rights = Rights {
        of: &|_| {
            Some(Verbs {
                read: true,
                ..Verbs::default()
            })
        },
    };
    let verifier = postgresql::verifier(&SecretString::from("not-asked-for-here"));
    let names: Vec<String> = (0..1000).map(|n| format!("remit_thousand_{n}")).collect();
    for role in names.iter().take(3) {
        postgresql::make(&admin, role, &verifier, Timestamp(4_000_000_000_000), &rights)
            .await
            .unwrap();
    }
    // The rest without the cost of a password each: what is measured is their end.
    let rest = url.clone();
    tokio::task::spawn_blocking(move || {
        let mut client = postgres::Client::connect(&rest, postgres::NoTls).unwrap();
        let roles: String = (3..1000)
            .map(|n| format!("CREATE ROLE remit_thousand_{n} LOGIN;"))
            .collect();
        client.batch_execute(&roles).unwrap();
    })
    .await
    .unwrap();
    let mut sessions = Vec::new();
    for role in names.iter().take(60) {
        sessions.push(signed_in(&url, role).await.unwrap());
    }
    let start = now();
    postgresql::cut(&admin, &names).await.unwrap();
    let took = start.elapsed();
    eprintln!("1000 roles cut, 60 sessions terminated in {took:?}");
    // The figure is 2 s on a quiet machine; a busy one gets some slack.
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert!(
        signed_in(&url, "remit_thousand_7")
            .await
            .unwrap_err()
            .contains("not permitted to log in")
    );
    for session in &sessions {
        assert!(
            session.terminate(0).await.is_err(),
            "a session outlived its login"
        );
    }
    let alive = postgresql::prove(&admin, &names).await.unwrap();
    assert_eq!(
        alive.len(),
        1000,
        "cut is not gone: the probe sees the difference"
    );
    let start = now();
    postgresql::remove(&admin, &names).await.unwrap();
    eprintln!("1000 roles removed in {:?}", start.elapsed());
    assert!(postgresql::prove(&admin, &names).await.unwrap().is_empty());
    // Everything once more: already gone is success.
    postgresql::cut(&admin, &names).await.unwrap();
    postgresql::remove(&admin, &names).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_role_owns_goes_with_it() {
    let url = tokio::task::spawn_blocking(|| Cluster::shared().map(Cluster::fresh_database))
        .await
        .unwrap();
    let Some(url) = url else { return };
    let admin = signed_in(&url, "postgres").await.unwrap();
    let rights = Rights { of: &|_| None };
    let names = ["remit_owner".to_owned()];
    postgresql::make(
        &admin,
        "remit_owner",
        &postgresql::verifier(&SecretString::from("x")),
        Timestamp(4_000_000_000_000),
        &rights,
    )
    .await
    .unwrap();
    let sneaky = url.clone();
    tokio::task::spawn_blocking(move || {
        let mut client = postgres::Client::connect(&sneaky, postgres::NoTls).unwrap();
        client
            .batch_execute("CREATE TABLE left_behind (id int); ALTER TABLE left_behind OWNER TO remit_owner")
            .unwrap();
    })
    .await
    .unwrap();
    postgresql::cut(&admin, &names).await.unwrap();
    postgresql::remove(&admin, &names).await.unwrap();
    assert!(postgresql::prove(&admin, &names).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_anywhere_leaves_no_role_behind() {
    let Some(mut erp) = Erp::open(true).await else {
        return;
    };
    for round in 0..12_u64 {
        let tasks = [
            erp.house.task(&["erp/db.query"], &["erp:public"]).await,
            erp.house.task(&["erp/db.query"], &["erp:public"]).await,
        ];
        let url = erp.url.clone();
        let work = async {
            let _both = tokio::join!(
                erp.sql(&tasks[0].token, "SELECT 1"),
                erp.sql(&tasks[1].token, "SELECT 1")
            );
            let _ended = remit_server::tasks::end::done(
                erp.house.app(),
                tasks[0].task.id,
                remit_core::task::Ending::Completed,
                &crate::house::name("alice"),
            )
            .await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        // Cut off a little later in each round: while planning, making, confirming, using, revoking.
        let _cut = tokio::time::timeout(Duration::from_millis(2 + round * round * 3), work).await;
        let Erp { house, .. } = erp;
        erp = Erp {
            house: house.crash_and_restart_as_configured().await,
            url,
        };
        let took = erp.gone(&erp.roles()).await;
        assert!(took < Duration::from_secs(15), "round {round}: {took:?}");
    }
    let open = erp
        .house
        .app()
        .store
        .read_blocking(remit_store::leases::open)
        .unwrap();
    assert!(
        open.iter()
            .all(|lease| lease.class == remit_core::lease::LeaseClass::R0
                || lease.state == remit_core::lease::LeaseState::Revoking),
        "{open:?}"
    );
}
