//! Talks to the control listener: HTTP/1.1 over a Unix socket, with the capability only this user can read.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use remit_server::paths::Paths;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::failure::Failure;

/// Longest answer that is not a stream, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest line of a stream, in bytes.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Header that carries the capability.
const CAPABILITY: &str = "remit-control";

/// The way to the server. Each request is a connection of its own.
pub struct Control {
    socket: PathBuf,
    capability: String,
}

impl Control {
    /// Reads the capability.
    ///
    /// # Errors
    /// Remit is not running, or this process may not control it.
    pub fn open(paths: &Paths) -> Result<Self, Failure> {
        let key = paths.control_key();
        let bytes = std::fs::read(&key).map_err(|error| unreachable(&error, &key.display().to_string()))?;
        Ok(Self {
            socket: paths.control_socket(),
            capability: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// As [`Self::open`], for the lane that only kills.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_lane(paths: &Paths) -> Result<Self, Failure> {
        Ok(Self {
            socket: paths.kill_socket(),
            ..Self::open(paths)?
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// Not running, or refused.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        answer(self.send(Method::GET, path, None).await?).await
    }

    /// Asks for text.
    ///
    /// # Errors
    /// Not running, refused, or not text.
    pub async fn get_text(&self, path: &str) -> Result<String, Failure> {
        let bytes = collect(self.send(Method::GET, path, None).await?).await?;
        String::from_utf8(bytes).map_err(|_| broken("the answer is not UTF-8"))
    }

    /// Acts.
    ///
    /// # Errors
    /// Not running, or refused.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        answer(self.send(Method::POST, path, Some(body)).await?).await
    }

    /// Asks for a stream.
    ///
    /// # Errors
    /// Not running, or refused.
    pub async fn stream(&self, path: &str) -> Result<Stream, Failure> {
        Ok(Stream {
            body: self.send(Method::GET, path, None).await?,
            buffer: Vec::new(),
        })
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Incoming, Failure> {
        let socket = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| unreachable(&error, &self.socket.display().to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .map_err(|error| broken(&error.to_string()))?;
        // It ends with the response; what goes wrong in it also shows in the response.
        drop(tokio::spawn(connection));
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "remit")
            .header(header::CONTENT_TYPE, "application/json")
            .header(CAPABILITY, &self.capability)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| broken(&error.to_string()))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error.to_string()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        Err(refused(status, &collect(response.into_body()).await?))
    }
}

/// An answer that comes in pieces.
pub struct Stream {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Stream {
    /// The next bytes as they come; `None` at the end.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| broken(&error.to_string()))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The next line as JSON; `None` at the end. Dropping the future between two calls loses nothing.
    ///
    /// # Errors
    /// The connection broke, or a line is not JSON.
    pub async fn next(&mut self) -> Result<Option<Value>, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|error| broken(&format!("a line is not JSON: {error}")));
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(broken("a line is too long"));
            }
            match self.chunk().await? {
                Some(data) => self.buffer.extend_from_slice(&data),
                None if self.buffer.is_empty() => return Ok(None),
                None => self.buffer.push(b'\n'),
            }
        }
    }
}

/// `text` as one part of a path or of a query.
#[must_use]
pub fn part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

async fn answer(body: Incoming) -> Result<Value, Failure> {
    let bytes = collect(body).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| broken(&format!("the answer is not JSON: {error}")))
}

async fn collect(body: Incoming) -> Result<Vec<u8>, Failure> {
    let mut stream = Stream {
        body,
        buffer: Vec::new(),
    };
    while let Some(data) = stream.chunk().await? {
        if stream.buffer.len() + data.len() > ANSWER_BYTES_MAX {
            return Err(broken("the answer is longer than 64 MiB"));
        }
        stream.buffer.extend_from_slice(&data);
    }
    Ok(stream.buffer)
}

fn refused(status: StatusCode, body: &[u8]) -> Failure {
    let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    match answer.get("message").and_then(Value::as_str).map(str::to_owned) {
        Some(message) => Failure::Refused {
            status: status.as_u16(),
            answer,
            message,
        },
        None => {
            let message = format!(
                "the server answered {status} without saying why: are `remit` and the running `remit up` the same version?"
            );
            Failure::Refused {
                status: status.as_u16(),
                answer: serde_json::json!({"error": "failed", "message": message}),
                message,
            }
        }
    }
}

fn broken(why: &str) -> Failure {
    Failure::local(format!(
        "the connection to the server broke: {why}; see what `remit up` says"
    ))
}

fn unreachable(error: &io::Error, path: &str) -> Failure {
    // A run finds neither folder nor socket; telling it to start another server would send it astray.
    if let Some(task) = std::env::var_os("REMIT_TASK") {
        return Failure::NotRunning(format!(
            "control cannot be reached from inside a run (task `{}`): ask the person who started it",
            task.to_string_lossy()
        ));
    }
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Failure::NotRunning("remit is not running: start it with `remit up`".to_owned())
        }
        io::ErrorKind::PermissionDenied => Failure::NotRunning(format!(
            "you may not use `{path}`: act as the user who started `remit up`"
        )),
        _ => Failure::NotRunning(format!(
            "cannot reach remit at `{path}`: {error}; see `remit doctor`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_address_keep_their_meaning() {
        assert_eq!(part("file:/a b/ü?x=1&y"), "file%3A%2Fa%20b%2F%C3%BC%3Fx%3D1%26y");
        assert_eq!(part("task_01j-x.~"), "task_01j-x.~");
    }
}
