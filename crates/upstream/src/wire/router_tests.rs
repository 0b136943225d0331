//! Whose message is it, and who lies about that.

use std::sync::Arc;

use remit_core::json::{Bounds, parse};

use super::*;
use crate::wire::message;

fn router(shared: bool) -> Arc<Router> {
    let scrubber = Scrubber::new(["hunter2-hunter2"]).unwrap();
    Arc::new(Router::new(
        Arc::new(scrubber),
        Arc::new(Board::default()),
        shared,
    ))
}

fn say(router: &Router, text: &str, on: Option<u64>) -> Result<Handled, Flaw> {
    router.handle(Era::Legacy, message::parse(text.as_bytes()).unwrap(), on)
}

fn caller(router: &Arc<Router>, id: u64) -> (Registered, mpsc::Receiver<UpstreamEvent>) {
    let (events, receiver) = mpsc::channel(4);
    let open = Open {
        events: Some(events),
        features: vec![ClientFeature::Roots],
        logs: true,
        ..Open::default()
    };
    (router.open(id, open), receiver)
}

fn object(text: &str) -> Object {
    parse(text.as_bytes(), &Bounds::RESPONSE)
        .unwrap()
        .as_object()
        .unwrap()
        .clone()
}

const RESULT_7: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;

#[test]
fn an_answer_before_its_question_and_a_second_one_are_lies() {
    let router = router(false);
    assert!(say(&router, RESULT_7, None).is_err(), "nothing was asked");
    let (answer, mut answered) = oneshot::channel();
    let registered = router.open(
        7,
        Open {
            answer: Some(answer),
            ..Open::default()
        },
    );
    say(&router, RESULT_7, None).unwrap();
    assert!(answered.try_recv().unwrap().is_ok());
    assert!(say(&router, RESULT_7, None).is_err(), "answered already");
    drop(registered);
    assert!(say(&router, RESULT_7, None).is_err(), "answered already");
}

#[test]
fn a_late_answer_to_a_given_up_request_is_excused_once() {
    let router = router(false);
    let (answer, _answered) = oneshot::channel();
    drop(router.open(
        7,
        Open {
            answer: Some(answer),
            ..Open::default()
        },
    ));
    say(&router, RESULT_7, None).unwrap();
    assert!(say(&router, RESULT_7, None).is_err());
}

#[test]
fn a_stream_answers_its_own_request_only() {
    let router = router(false);
    assert!(matches!(say(&router, RESULT_7, Some(7)), Ok(Handled::Answer(_))));
    assert!(say(&router, RESULT_7, Some(8)).is_err());
    let unread = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#;
    assert!(matches!(say(&router, unread, Some(8)), Ok(Handled::Answer(_))));
    assert!(say(&router, r#"{"jsonrpc":"2.0","id":null,"result":{}}"#, Some(8)).is_err());
}

#[test]
fn progress_goes_to_its_call_clean_and_without_token() {
    let router = router(false);
    let (_seven, mut heard) = caller(&router, 7);
    let (_eight, mut silent) = caller(&router, 8);
    let text = |token: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1,"message":"\u001b[31mhunter2-hunter2"}}}}"#
        )
    };
    for token in ["7", "9", "\"7\"", "null"] {
        say(&router, &text(token), None).unwrap();
    }
    // On another call's stream it is a lie.
    say(&router, &text("7"), Some(8)).unwrap();
    let Ok(UpstreamEvent::Progress(params)) = heard.try_recv() else {
        panic!("no progress")
    };
    assert_eq!(params, object(r#"{"progress":1,"message":"[removed by remit]"}"#));
    assert!(heard.try_recv().is_err() && silent.try_recv().is_err());
    // A caller that does not read loses some; nobody waits.
    for _ in 0..100 {
        say(&router, &text("7"), None).unwrap();
    }
    assert_eq!(heard.len(), 4);
}

#[tokio::test]
async fn questions_go_to_whom_they_concern_or_are_refused() {
    let router = router(false);
    let refused = |handled| {
        let Handled::Send(body) = handled else {
            panic!("{handled:?}")
        };
        String::from_utf8(body).unwrap()
    };
    let roots = r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#;
    let sampling = r#"{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{}}"#;
    assert!(
        refused(say(&router, roots, None).unwrap()).contains("-32601"),
        "nobody is there"
    );
    let (_seven, mut first) = caller(&router, 7);
    let (_eight, mut second) = caller(&router, 8);
    assert!(
        refused(say(&router, sampling, Some(7)).unwrap()).contains("-32601"),
        "not wanted"
    );
    for unknown in ["tasks/get", "tools/call", "", "roots/list/"] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{unknown}"}}"#);
        assert!(refused(say(&router, &text, None).unwrap()).contains("-32601"));
    }
    let pong = refused(say(&router, r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#, None).unwrap());
    assert_eq!(pong, r#"{"id":5,"jsonrpc":"2.0","result":{}}"#);

    assert!(matches!(say(&router, roots, Some(7)), Ok(Handled::Ask(_))));
    assert!(matches!(
        first.try_recv(),
        Ok(UpstreamEvent::ClientRequest {
            feature: ClientFeature::Roots,
            ..
        })
    ));
    assert!(matches!(say(&router, roots, None), Ok(Handled::Ask(_))));
    assert!(
        matches!(second.try_recv(), Ok(UpstreamEvent::ClientRequest { .. })),
        "the latest call is asked"
    );
}

#[test]
fn nothing_is_guessed_on_a_shared_connection() {
    let router = router(true);
    let roots = r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#;
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;
    let (_seven, mut first) = caller(&router, 7);
    assert!(
        matches!(say(&router, roots, None), Ok(Handled::Ask(_))),
        "only one it can be"
    );
    let (_eight, mut second) = caller(&router, 8);
    assert!(
        matches!(say(&router, roots, None), Ok(Handled::Send(_))),
        "it could be either"
    );
    first.try_recv().unwrap();
    say(&router, log, None).unwrap();
    assert!(first.try_recv().is_err() && second.try_recv().is_err());
    say(&router, log, Some(8)).unwrap();
    assert!(matches!(second.try_recv(), Ok(UpstreamEvent::Log(_))));
}

#[test]
fn a_modern_server_asks_in_results_and_nowhere_else() {
    let router = router(false);
    let (_seven, mut events) = caller(&router, 7);
    let roots = message::parse(br#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#).unwrap();
    assert!(matches!(
        router.handle(Era::Modern, roots, Some(7)),
        Ok(Handled::Done)
    ));
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn only_subscribed_resources_are_told() {
    let board = Arc::new(Board::default());
    let router = Arc::new(Router::new(Arc::new(Scrubber::default()), board.clone(), false));
    let updated = |uri: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}"#
        )
    };
    router.subscribe("test://a", true).unwrap();
    router.subscribe("test://a", true).unwrap();
    router.subscribe("test://a", false).unwrap();
    say(&router, &updated("test://b"), None).unwrap();
    say(&router, &updated("test://a"), None).unwrap();
    router.subscribe("test://a", false).unwrap();
    assert!(router.is_unsubscribed("test://a"));
    say(&router, &updated("test://c"), None).unwrap();
    board.close();
    let mut notices = crate::Notices::new(board);
    assert_eq!(
        notices.next().await,
        Some(Notice::ResourceUpdated("test://a".to_owned()))
    );
    assert_eq!(notices.next().await, None);
}
