//! Servers we start: what they get, what they may ask, how they end.

use super::*;
use crate::event::ClientRefusal;

/// Agrees on the legacy revision and then goes on with `rest`; `$line` holds the last line read.
fn legacy(rest: &str) -> String {
    format!(
        r#"read -r line
printf '%s\n' '{{"jsonrpc":"2.0","id":1,"result":{{"protocolVersion":"2025-11-25","capabilities":{{"tools":{{}},"logging":{{}}}},"serverInfo":{{"name":"x","version":"1"}},"instructions":"be nice"}}}}'
read -r line
{rest}"#
    )
}

pub(super) fn say(json: &str) -> String {
    format!("printf '%s\\n' '{json}'\n")
}

pub(super) fn talk(rest: &str) -> String {
    legacy(rest)
}

#[tokio::test]
async fn a_call_goes_there_and_back_scrubbed() {
    let world = world();
    let answer = r#"{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"got \u001b[1mhunter2-hunter2\u001b[0m"}],"n":12345678901234567890}}"#;
    let spec = world.shell(&talk(&format!(
        "echo banner\nread -r line\nprintf '%s' \"$line\" > {}\n{}sleep 60",
        world.file("seen").display(),
        say(answer)
    )));
    let (connection, _notices) = world.open(&spec, Era::Legacy).await.unwrap();
    assert_eq!(connection.era(), Era::Legacy);
    assert_eq!(connection.protocol_version(), "2025-11-25");
    assert_eq!(connection.instructions(), Some("be nice"));
    let reply = call(&world, &connection, &tool("read", r#"{"b":1.50,"a":"x"}"#))
        .await
        .unwrap();
    assert_eq!(
        reply,
        Reply::Result(object(
            r#"{"content":[{"type":"text","text":"got [removed by remit]"}],"n":12345678901234567890}"#
        ))
    );
    assert_eq!(
        std::fs::read_to_string(world.file("seen")).unwrap(),
        r#"{"id":2,"jsonrpc":"2.0","method":"tools/call","params":{"_meta":{},"arguments":{"a":"x","b":1.5},"name":"read"}}"#
    );
    connection.close().await;
}

#[tokio::test]
async fn it_gets_the_listed_environment_and_nothing_else() {
    let world = world();
    let seen = world.file("env");
    let mut spec = world.shell(&talk(&format!(
        "env > {0}; pwd > {0}.cwd; ps -o sid= -p $$ > {0}.sid; : > {0}.done; sleep 60",
        seen.display()
    )));
    let Transport::Stdio(stdio) = &mut spec.transport else {
        panic!()
    };
    stdio.env.push(("LISTED".into(), "yes".into()));
    stdio.cwd = Some("/".into());
    let (connection, _notices) = world.open(&spec, Era::Legacy).await.unwrap();
    until("the server wrote its files", || world.file("env.done").exists()).await;
    let env = std::fs::read_to_string(&seen).unwrap();
    let names: Vec<&str> = env
        .lines()
        .filter_map(|l| l.split_once('='))
        .map(|(n, _)| n)
        .collect();
    assert!(
        names.contains(&"LISTED") && !names.contains(&"HOME") && !names.contains(&"CARGO"),
        "{env}"
    );
    assert_eq!(
        std::fs::read_to_string(world.file("env.cwd")).unwrap().trim(),
        "/"
    );
    let pid = connection.process().unwrap().pid;
    assert_eq!(
        std::fs::read_to_string(world.file("env.sid")).unwrap().trim(),
        pid.to_string()
    );
    connection.close().await;
}

#[tokio::test]
async fn closing_ends_everything_it_started() {
    let world = world();
    let pids = world.file("pids");
    let spec = world.shell(&talk(&format!(
        "trap '' TERM\nsleep 1000 & echo $! > {0}\nsetsid sleep 1000 & echo $! >> {0}\n: > {0}.done\nwhile :; do sleep 1; done",
        pids.display()
    )));
    let (connection, mut notices) = world.open(&spec, Era::Legacy).await.unwrap();
    until("its children run", || world.file("pids.done").exists()).await;
    let process = connection.process().unwrap();
    connection.close().await;
    assert!(!process.is_alive());
    for pid in std::fs::read_to_string(&pids).unwrap().lines() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{pid} lives: {stat}");
    }
    assert_eq!(notices.next().await, None);
    let failure = call(&world, &connection, &tool("read", "{}")).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (ErrorKind::Closed, Sent::No));
}

#[tokio::test]
async fn dropping_the_last_handle_and_the_end_of_the_authority_close_it() {
    let world = world();
    let spec = world.shell(&talk("sleep 1000"));
    let (connection, _notices) = world.open(&spec, Era::Legacy).await.unwrap();
    let process = connection.process().unwrap();
    drop(connection);
    until("the process of a dropped connection is gone", || {
        !process.is_alive()
    })
    .await;

    let (connection, mut notices) = world.open(&spec, Era::Legacy).await.unwrap();
    let process = connection.process().unwrap();
    world.holder.cut(remit_enforce::Cut::Ended);
    until("the process of an ended task is gone", || !process.is_alive()).await;
    assert_eq!(notices.next().await, None);
    assert!(connection.is_closed());
    let failure = world.open(&spec, Era::Legacy).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (ErrorKind::NotFresh, Sent::No));
}

#[tokio::test]
async fn events_reach_their_call_and_answers_reach_the_server() {
    let world = world();
    let script = [
        // Asked for by the log level.
        "read -r line\n".to_owned(),
        say(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#),
        "read -r line\n".to_owned(),
        say(
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":3,"progress":1}}"#,
        ),
        say(
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"hunter2-hunter2"}}"#,
        ),
        say(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#),
        say(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#),
        "read -r pong\n".to_owned(),
        say(r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#),
        "read -r roots\n".to_owned(),
        say(r#"{"jsonrpc":"2.0","id":"q2","method":"sampling/createMessage","params":{}}"#),
        "read -r sampling\n".to_owned(),
        format!(
            "printf '%s\\n' \"$pong\" \"$roots\" \"$sampling\" > {}\n",
            world.file("answers").display()
        ),
        say(r#"{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"done"}]}}"#),
        "sleep 60".to_owned(),
    ];
    let spec = world.shell(&talk(&script.concat()));
    let (connection, mut notices) = world.open(&spec, Era::Legacy).await.unwrap();
    let (events, mut receiver) = mpsc::channel(64);
    let listener = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(event) = receiver.recv().await {
            match event {
                UpstreamEvent::Progress(params) => seen.push(format!("progress {}", Value::Object(params))),
                UpstreamEvent::Log(params) => seen.push(format!("log {}", Value::Object(params))),
                UpstreamEvent::ClientRequest { feature, reply, .. } => {
                    seen.push(format!("asked {}", feature.method()));
                    reply.send(Err(ClientRefusal::Declined)).unwrap();
                }
            }
        }
        seen
    });
    let options = CallOptions {
        features: vec![remit_core::authority::ClientFeature::Roots],
        wants_progress: true,
        log_level: Some("info".to_owned()),
        ..CallOptions::default()
    };
    let reply = connection
        .0
        .call(&tool("read", "{}"), &world.terms, &options, events)
        .await
        .unwrap();
    assert_eq!(text_of(&reply), "done");
    assert_eq!(
        listener.await.unwrap(),
        [
            r#"progress {"progress":1}"#,
            r#"log {"data":"[removed by remit]","level":"info"}"#,
            "asked roots/list",
        ]
    );
    assert_eq!(notices.next().await, Some(crate::Notice::ToolsChanged));
    let answers = std::fs::read_to_string(world.file("answers")).unwrap();
    assert_eq!(
        answers.lines().collect::<Vec<_>>(),
        [
            r#"{"id":"p","jsonrpc":"2.0","result":{}}"#,
            r#"{"error":{"code":-32603,"message":"the client did not answer this"},"id":"q","jsonrpc":"2.0"}"#,
            r#"{"error":{"code":-32601,"message":"not available"},"id":"q2","jsonrpc":"2.0"}"#,
        ]
    );
}

#[tokio::test]
async fn a_modern_server_is_found_and_a_silent_legacy_one_too() {
    let world = world();
    let modern = world.shell(&format!(
        "read -r line\n{}read -r line\nprintf '%s' \"$line\" > {}\n{}sleep 60",
        say(
            r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"m","version":"2"}}}}"#
        ),
        world.file("seen").display(),
        say(r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"input_required","inputRequests":{},"requestState":"s"}}"#),
    ));
    let (connection, _notices) = world.open(&modern, Era::Modern).await.unwrap();
    assert_eq!(
        (connection.era(), connection.protocol_version()),
        (Era::Modern, "2026-07-28")
    );
    assert_eq!(connection.server_info(), &object(r#"{"name":"m","version":"2"}"#));
    let reply = call(&world, &connection, &tool("t", "{}")).await.unwrap();
    assert!(matches!(reply, Reply::Result(r) if r.get("requestState").is_some()));
    let seen = std::fs::read_to_string(world.file("seen")).unwrap();
    assert!(
        seen.contains(r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#),
        "{seen}"
    );

    // A legacy server that says nothing to what it does not know.
    let silent = world.shell(&format!(
        "read -r line\n{}",
        talk("sleep 60").replace("\"id\":1", "\"id\":2")
    ));
    let (connection, _notices) = world.open(&silent, Era::Modern).await.unwrap();
    assert_eq!(connection.era(), Era::Legacy);
    // And one that answers with an error of its own choosing.
    let answering = world.shell(&format!(
        "read -r line\n{}{}",
        say(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Invalid request parameters"}}"#),
        talk("sleep 60").replace("\"id\":1", "\"id\":2")
    ));
    let (connection, _notices) = world.open(&answering, Era::Modern).await.unwrap();
    assert_eq!(connection.era(), Era::Legacy);
}

#[tokio::test]
async fn a_modern_server_that_starts_slowly_is_not_lost() {
    let world = world();
    let discovered = super::wire_server::result(3, super::wire_server::DISCOVERED);
    // It takes the first question, answers it too late, and will hear nothing of the legacy revision from then on.
    let spec = world.shell(&format!(
        "read -r discover\nread -r initialize\n{}{}read -r again\n{}sleep 60",
        say(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
        say(r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32022,"message":"2026-07-28 only"}}"#),
        say(&discovered),
    ));
    let (connection, _notices) = world.open(&spec, Era::Modern).await.unwrap();
    assert_eq!(connection.era(), Era::Modern);
}
