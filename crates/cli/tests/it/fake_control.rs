//! `FakeControl`: answers on the control socket and on the lane of kills what a test tells it, and keeps what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::house::House;

const KEY: [u8; 4] = [0x00, 0x7f, 0xa0, 0xff];

pub(crate) struct FakeControl {
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `POST /v1/tasks`
    pub(crate) what: String,
    pub(crate) capability: String,
    pub(crate) body: Value,
}

/// `POST /v1/tasks`, the status, the body as it is sent.
pub(crate) type Route = (String, u16, String);

pub(crate) fn route(what: &str, answer: &Value) -> Route {
    (what.to_owned(), 200, answer.to_string())
}

pub(crate) fn refusal(what: &str, status: u16, message: &str) -> Route {
    let body = json!({"error": "forbidden", "message": message});
    (what.to_owned(), status, body.to_string())
}

impl FakeControl {
    /// Listens in `house` until the test process ends.
    pub(crate) fn new(house: &House, routes: Vec<Route>) -> Self {
        let runtime = house.runtime();
        std::fs::create_dir_all(&runtime).unwrap();
        std::fs::write(runtime.join("control.key"), KEY).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let routes = Arc::new(routes);
        for socket in ["control.sock", "kill.sock"] {
            let listener = UnixListener::bind(runtime.join(socket)).unwrap();
            let (notes, routes) = (Arc::clone(&asked), Arc::clone(&routes));
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    answer(stream.unwrap(), &routes, &notes);
                }
            });
        }
        Self { asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The only request that began so.
    pub(crate) fn one(&self, what: &str) -> Asked {
        let mut found: Vec<Asked> = self.asked();
        found.retain(|asked| asked.what == what);
        assert_eq!(found.len(), 1, "{what}: {:?}", self.asked());
        found.remove(0)
    }
}

fn answer(mut stream: UnixStream, routes: &[Route], asked: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            return;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let header = |name: &str| {
        head.iter()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
            .unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let what = head[0].trim_end_matches(" HTTP/1.1").to_owned();
    asked.lock().unwrap().push(Asked {
        what: what.clone(),
        capability: header("remit-control"),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    });
    let (status, body) = routes.iter().find(|(route, _, _)| *route == what).map_or_else(
        || {
            let body = json!({"error": "not_found", "message": format!("the test has no {what}")});
            (404, body.to_string())
        },
        |(_, status, body)| (*status, body.clone()),
    );
    let length = body.len();
    // A client that has gone needs no answer.
    let _ = write!(
        stream,
        "HTTP/1.1 {status} Fake\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
}
