//! A strict HTTP/1.1 server that keeps what it was sent, plain or over TLS, and a resolver that keeps what it was asked.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use remit_upstream::{Environment, Launcher, Resolve, Scrubber};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub line: String,
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// What a server answers to a request: head lines from the status line on, and the body.
pub type Answers = Arc<dyn Fn(&Seen) -> (String, String) + Send + Sync>;

pub struct Upstream {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// What it answers, whatever is asked: head lines behind the status line, and the body.
    pub answer: Arc<Mutex<(String, String)>>,
    /// It takes requests and never answers.
    pub is_silent: Arc<AtomicBool>,
}

impl Upstream {
    pub async fn start(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let answer = Arc::new(Mutex::new((
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b\r\n".to_owned(),
            r#"{"ok":true}"#.to_owned(),
        )));
        let says = Arc::clone(&answer);
        let answers: Answers = Arc::new(move |_| says.lock().unwrap().clone());
        Self {
            answer,
            ..Self::answering(tls, answers).await
        }
    }

    /// The same with an answer to each request.
    pub async fn answering(tls: Option<Arc<rustls::ServerConfig>>, answers: Answers) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let is_silent = Arc::new(AtomicBool::new(false));
        let (to, says, silent) = (Arc::clone(&seen), answers, Arc::clone(&is_silent));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (to, says, tls) = (Arc::clone(&to), Arc::clone(&says), tls.clone());
                let silent = Arc::clone(&silent);
                tokio::spawn(async move {
                    match tls {
                        None => talk(stream, &to, &says, &silent).await,
                        Some(tls) => {
                            if let Ok(stream) = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await {
                                talk(stream, &to, &says, &silent).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            port,
            seen,
            answer: Arc::default(),
            is_silent,
        }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: &Mutex<Vec<Seen>>,
    answers: &Answers,
    is_silent: &AtomicBool,
) {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let mut piece = [0; 4096];
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(read) => buffer.extend_from_slice(&piece[..read]),
            }
        };
        let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
        let length: usize = head
            .lines()
            .find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")
                    .map(|n| n.parse().unwrap())
            })
            .unwrap_or(0);
        while buffer.len() < end + length {
            let mut piece = [0; 4096];
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(read) => buffer.extend_from_slice(&piece[..read]),
            }
        }
        let body = buffer[end..end + length].to_vec();
        buffer.drain(..end + length);
        let line = head.lines().next().unwrap_or_default().to_owned();
        let is_head = line.starts_with("HEAD");
        let one = Seen { line, head, body };
        seen.lock().unwrap().push(one.clone());
        if is_silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let (head, text) = answers(&one);
        let body = if is_head { "" } else { text.as_str() };
        let message = format!("{head}content-length: {}\r\n\r\n{body}", text.len());
        if stream.write_all(message.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Every name is this machine; what was asked is kept.
#[derive(Clone, Default)]
pub struct Names(pub Arc<Mutex<Vec<String>>>);

impl Names {
    pub fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Resolve for Names {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        self.0.lock().unwrap().push(host.to_owned());
        Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
    }
}

/// A dialler that asks these names and trusts these roots; must be set before anything is dialled.
pub fn environment(names: &Names, roots: rustls::RootCertStore) -> Environment {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Environment {
        clock: Arc::new(remit_server::clock::SystemClock),
        launcher: Launcher {
            exe: "/nonexistent/remit".into(),
            confine: remit_confine::LaunchSpec::default(),
        },
        resolver: Arc::new(names.clone()),
        tls: Arc::new(tls),
        scrubber: Arc::new(Scrubber::default()),
        search_path: "/usr/bin:/bin".into(),
    }
}

/// A server certificate for these hosts, and the authority that vouches for it.
pub fn certificate(hosts: &[&str]) -> (Arc<rustls::ServerConfig>, rustls::RootCertStore) {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(hosts).unwrap();
    let der = made.cert.der().clone();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key.into())
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der).unwrap();
    (Arc::new(config), roots)
}
