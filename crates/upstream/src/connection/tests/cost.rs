//! What one call costs us: processor time of our side alone, printed. Run it alone and optimised:
//! `cargo test --release -p remit-upstream cost -- --ignored --nocapture`.

use super::wire_server::*;
use super::*;

const CALLS: u32 = 5000;

/// Processor time of this thread, in nanoseconds.
fn spent() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn a_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The url of a server that runs on a thread of its own.
fn elsewhere(plan: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> String {
    let (told, url) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        a_runtime().block_on(async {
            let server = WireServer::start(plan).await;
            told.send(server.url.clone()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    url.recv().unwrap()
}

async fn measure(name: &str, spec: ServerSpec, era: Era) {
    let world = world();
    let (connection, _notices) = world.open(&spec, era).await.unwrap();
    let made = tool("read_text_file", r#"{"path":"/srv/data/report.md","head":40}"#);
    for _ in 0..100 {
        call(&world, &connection, &made).await.unwrap();
    }
    let before = spent();
    for _ in 0..CALLS {
        call(&world, &connection, &made).await.unwrap();
    }
    let each = (spent() - before) / u64::from(CALLS);
    println!(
        "{name}: {}.{} µs of processor time per call",
        each / 1000,
        each / 100 % 10
    );
    connection.close().await;
}

#[test]
#[ignore = "a measurement"]
fn cost_of_a_call() {
    const RESULT: &str =
        r#"{"content":[{"type":"text","text":"The quarterly report says that everything is fine."}]}"#;
    let plain = elsewhere(|seen| modern(seen, |seen| json(&result(seen.id(), RESULT))));
    let stream = elsewhere(|seen| {
        modern(seen, |seen| {
            vec![events(), event(&result(seen.id(), RESULT)), end()]
        })
    });
    a_runtime().block_on(async {
        measure("HTTP, JSON", http(&plain), Era::Modern).await;
        measure("HTTP, event stream", http(&stream), Era::Modern).await;
        let world = world();
        let server = world.shell(&super::stdio_talk::talk(
            r#"n=2; while read -r line; do printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"fine"}]}}\n' $n; n=$((n+1)); done"#,
        ));
        measure("stdio", server, Era::Legacy).await;
    });
}
