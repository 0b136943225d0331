//! Servers we start that crash, hang and lie.

use tokio::time::Instant;

use super::stdio_talk::{say, talk};
use super::*;

/// What becomes of one call to a server that does `rest` once it was asked.
async fn against(rest: &str) -> (World, Connection, Failure) {
    against_within(20_000, rest).await
}

async fn against_within(ms: u64, rest: &str) -> (World, Connection, Failure) {
    let world = world();
    let spec = world.shell(&talk(&format!("read -r line\n{rest}")));
    let (connection, _notices) = world.open(&spec, Era::Legacy).await.unwrap();
    let failure = call_with(&world, &connection, &tool("t", "{}"), short(ms))
        .await
        .0
        .unwrap_err();
    (world, connection, failure)
}

#[tokio::test]
async fn a_crash_is_told_with_the_last_words() {
    let (_world, connection, failure) =
        against("echo 'Traceback: hunter2-hunter2' >&2; echo 'ValueError: no' >&2; exit 3").await;
    assert_eq!((failure.kind, failure.sent), (ErrorKind::Gone, Sent::Maybe));
    assert!(failure.detail.contains("exit status: 3"), "{failure:?}");
    assert!(failure.detail.contains("ValueError: no"), "{failure:?}");
    assert!(!failure.detail.contains(SECRET), "{failure:?}");
    assert!(connection.is_closed());
    assert!(connection.closed().await.contains("it went away"));
}

#[tokio::test]
async fn lies_end_the_connection() {
    for lie in [
        r#"{"jsonrpc":"2.0","id":99,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"2","result":{}}"#,
        r#"[{"jsonrpc":"2.0","id":2,"result":{}}]"#,
        r#"{"jsonrpc":"2.0","id":2,"result":{"a":NaN}}"#,
        r#"{"jsonrpc":"2.0","id":2,"result":{"a":1,"a":2}}"#,
        r#"{"jsonrpc":"2.0","id":2,"result":{"a":"\ud800"}}"#,
        r#"{"jsonrpc":"2.0","id":2,"#,
        r#"{"jsonrpc":"2.0","id":2,"result":{},"error":{"code":1,"message":"x"}}"#,
        r#"{"id":2,"result":{}}"#,
    ] {
        let (_world, connection, failure) = against(&format!("{}sleep 60", say(lie))).await;
        assert_eq!(
            (failure.kind, failure.sent),
            (ErrorKind::Protocol, Sent::Maybe),
            "{lie}: {failure:?}"
        );
        assert!(connection.is_closed(), "{lie}");
    }
}

#[tokio::test]
async fn an_answer_to_the_next_request_before_it_is_asked_is_a_lie() {
    let world = world();
    let spec = world.shell(&talk(&format!(
        "{}sleep 60",
        say(r#"{"jsonrpc":"2.0","id":2,"result":{"planted":true}}"#)
    )));
    let (connection, _notices) = world.open(&spec, Era::Legacy).await.unwrap();
    let why = connection.closed().await;
    assert!(why.contains("not under way"), "{why}");
    assert!(call(&world, &connection, &tool("t", "{}")).await.is_err());
}

#[tokio::test]
async fn a_hung_server_holds_up_its_call_alone() {
    let world = world();
    let spec = world.shell(&talk(&format!(
        "read -r one\nread -r two\n{}read -r cancel\nprintf '%s' \"$cancel\" > {1}.part; mv {1}.part {1}\n{2}read -r four\n{3}sleep 60",
        say(r#"{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"two"}]}}"#),
        world.file("cancel").display(),
        // The answer that comes too late is excused.
        say(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#),
        say(r#"{"jsonrpc":"2.0","id":4,"result":{"content":[{"type":"text","text":"four"}]}}"#),
    )));
    let (connection, _notices) = world.open(&spec, Era::Legacy).await.unwrap();
    let (a, b) = (tool("t", "{}"), tool("t", "{}"));
    let hung = call_with(&world, &connection, &a, short(500));
    let other = call(&world, &connection, &b);
    let ((hung, _), other) = tokio::join!(hung, other);
    let hung = hung.unwrap_err();
    assert_eq!((hung.kind, hung.sent), (ErrorKind::TimedOut, Sent::Maybe));
    assert_eq!(text_of(&other.unwrap()), "two");
    until("the cancellation arrived", || world.file("cancel").exists()).await;
    let cancel = std::fs::read_to_string(world.file("cancel")).unwrap();
    assert!(
        cancel.contains("notifications/cancelled") && cancel.contains("\"requestId\":2"),
        "{cancel}"
    );
    assert_eq!(
        text_of(&call(&world, &connection, &tool("t", "{}")).await.unwrap()),
        "four"
    );
}

#[tokio::test]
async fn the_end_of_the_task_cuts_a_call_at_once() {
    let world = world();
    let spec = world.shell(&talk(&format!(
        "read -r one; : > {}; sleep 60",
        world.file("asked").display()
    )));
    let (connection, _notices) = world.open(&spec, Era::Legacy).await.unwrap();
    let made = tool("t", "{}");
    let cut = async {
        until("it was asked", || world.file("asked").exists()).await;
        let now = Instant::now();
        world.holder.cut(remit_enforce::Cut::Ended);
        now
    };
    let (failure, since) = tokio::join!(call(&world, &connection, &made), cut);
    assert!(
        since.elapsed() < Duration::from_millis(900),
        "{:?}",
        since.elapsed()
    );
    let failure = failure.unwrap_err();
    assert_eq!(
        (failure.kind, failure.sent),
        (ErrorKind::Cut(remit_enforce::Cut::Ended), Sent::Maybe)
    );
    assert!(
        !failure
            .at(&made.server, &Scrubber::default())
            .is_certain_failure()
    );
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels() {
    let world = world();
    let spec = world.shell(&talk(&format!(
        "read -r one; : > {0}; read -r two; printf '%s' \"$two\" > {0}.part; mv {0}.part {0}2; sleep 60",
        world.file("asked").display()
    )));
    let (connection, _notices) = world.open(&spec, Era::Legacy).await.unwrap();
    let (events, receiver) = mpsc::channel(1);
    let (made, options) = (tool("t", "{}"), CallOptions::default());
    let gone = async {
        until("it was asked", || world.file("asked").exists()).await;
        drop(receiver);
    };
    let (failure, ()) = tokio::join!(connection.0.call(&made, &world.terms, &options, events), gone);
    let failure = failure.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (ErrorKind::Cancelled, Sent::Maybe));
    until("the cancellation arrived", || world.file("asked2").exists()).await;
}

#[tokio::test]
async fn a_stale_permit_reaches_nobody() {
    let world = world();
    let spec = world.shell(&talk(&format!(
        "read -r one && : > {}; sleep 60",
        world.file("asked").display()
    )));
    let (connection, _notices) = world.open(&spec, Era::Legacy).await.unwrap();
    let stale = Terms {
        deadline: BootTime(0),
        ..world.terms.clone()
    };
    let (events, _receiver) = mpsc::channel(1);
    let failure = connection
        .0
        .call(&tool("t", "{}"), &stale, &CallOptions::default(), events)
        .await
        .unwrap_err();
    assert_eq!((failure.kind, failure.sent), (ErrorKind::NotFresh, Sent::No));
    connection.close().await;
    assert!(!world.file("asked").exists());
}

#[tokio::test]
async fn a_server_that_does_not_read_stops_its_calls_and_nothing_else() {
    let world = world();
    let spec = world.shell(&talk("sleep 60"));
    let (connection, _notices) = world.open(&spec, Era::Legacy).await.unwrap();
    let big = tool("t", &format!(r#"{{"a":"{}"}}"#, "x".repeat(1024 * 1024)));
    let failure = call_with(&world, &connection, &big, short(300))
        .await
        .0
        .unwrap_err();
    assert_eq!((failure.kind, failure.sent), (ErrorKind::TimedOut, Sent::Maybe));
    assert!(connection.closed().await.contains("half written"));
}

#[tokio::test]
async fn endless_output_is_cut_off_and_junk_is_not() {
    let (_world, connection, failure) =
        against(r#"printf '{"a":"'; head -c 30000000 /dev/zero | tr '\0' x; sleep 60"#).await;
    assert_eq!(failure.kind, ErrorKind::TooLarge, "{failure:?}");
    assert!(connection.is_closed());
    // Lines that are no messages do no harm, and are not kept.
    let (_world, connection, failure) = against_within(2000, "yes junk").await;
    assert_eq!(failure.kind, ErrorKind::TimedOut);
    assert!(!connection.is_closed());
    connection.close().await;
}

#[tokio::test]
async fn a_flood_of_questions_ends_the_connection() {
    let (_world, connection, failure) = against(r#"yes '{"jsonrpc":"2.0","id":"q","method":"ping"}'"#).await;
    assert_eq!(failure.kind, ErrorKind::Protocol, "{failure:?}");
    assert!(failure.detail.contains("at once"), "{failure:?}");
    assert!(connection.is_closed());
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let world = world();
    let failure = world
        .open(&stdio("no-such-command-here".into(), Vec::new()), Era::Legacy)
        .await
        .unwrap_err();
    assert_eq!((failure.kind, failure.sent), (ErrorKind::CannotStart, Sent::No));
    assert!(failure.detail.contains("no-such-command-here"), "{failure:?}");

    let dead = world.shell("echo 'cannot open database' >&2; exit 1");
    let failure = world.open(&dead, Era::Legacy).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Gone);
    assert!(failure.detail.contains("cannot open database"), "{failure:?}");

    let mut world = world;
    world.environment.launcher.exe = script(&world.dir, "broken", "echo 'no landlock for you' >&2; exit 125");
    let failure = world
        .open(&world.shell("sleep 60"), Era::Legacy)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, ErrorKind::CannotStart);
    assert!(failure.detail.contains("no landlock for you"), "{failure:?}");
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_nobody() {
    let mut world = world();
    // Becomes a server with a child of its own, but never attests.
    let pids = world.file("pids");
    world.environment.launcher.exe = script(
        &world.dir,
        "silent",
        &format!(
            "exec setsid sh -c 'sleep 1000 & echo $! > {0}.part; mv {0}.part {0}; sleep 1000'",
            pids.display()
        ),
    );
    let spec = world.shell("");
    let cut = async {
        until("it runs", || pids.exists()).await;
        world.holder.cut(remit_enforce::Cut::Ended);
    };
    let (opened, ()) = tokio::join!(world.open(&spec, Era::Legacy), cut);
    assert_eq!(opened.unwrap_err().kind, ErrorKind::NotFresh);
    let pid = std::fs::read_to_string(&pids).unwrap();
    until("its child is gone", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    })
    .await;
}
