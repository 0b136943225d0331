//! A client of the TLS listener: rustls with the certificate it is told to show, trusting ours alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_server::config::{Config, ListenTls};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{House, dial};

/// A certificate with its key.
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: Vec<u8>,
}

impl Identity {
    pub fn self_signed() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
        Self {
            chain: vec![made.cert.der().clone()],
            key: made.signing_key.serialize_der(),
        }
    }

    pub fn of_svid(svid: remit_identity::x509::X509Svid) -> Self {
        Self {
            chain: vec![svid.certificate],
            key: svid.key.to_vec(),
        }
    }

    pub fn thumbprint(&self) -> String {
        remit_identity::x509::thumbprint(&self.chain[0])
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

/// Files of a server's certificate.
pub struct Files {
    pub folder: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Files {
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("remit-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let files = Self {
            certificate: folder.join("server.pem"),
            key: folder.join("server.key"),
            folder,
        };
        files.renew();
        files
    }

    /// Another certificate in the same files.
    pub fn renew(&self) {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(&self.certificate, made.cert.pem()).unwrap();
        std::fs::write(&self.key, made.signing_key.serialize_pem()).unwrap();
        mode(&self.key, 0o600);
        mode(&self.certificate, 0o644);
    }

    pub fn config(&self) -> Config {
        let mut config = Config::default();
        config.hold.wait = "100ms".to_owned();
        config.listen.tls = Some(ListenTls {
            address: "127.0.0.1:0".parse().unwrap(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            url: None,
        });
        config
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// One request over TLS: the whole answer, or what went wrong with the handshake.
pub async fn ask(
    house: &House,
    trusted: &Path,
    identity: Option<&Identity>,
    request: &str,
) -> std::io::Result<String> {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(trusted).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    let stream = dial(house.running.tls_address.unwrap()).await;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        Err(error) if answer.is_empty() => return Err(error),
        _ => {}
    }
    Ok(String::from_utf8(answer).unwrap())
}

/// A form to an endpoint over TLS: status and JSON.
pub async fn form(
    house: &House,
    trusted: &Path,
    identity: Option<&Identity>,
    path: &str,
    pairs: &[(&str, &str)],
) -> (u16, Value) {
    let request = form_request(house.running.tls_address.unwrap(), path, "", pairs);
    split(&ask(house, trusted, identity, &request).await.unwrap())
}

pub fn form_request(
    address: std::net::SocketAddr,
    path: &str,
    headers: &str,
    pairs: &[(&str, &str)],
) -> String {
    let body: String = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect::<Vec<_>>()
        .join("&");
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: \
         {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

pub fn split(answer: &str) -> (u16, Value) {
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// `tools/list` as a request of the modern revision.
pub fn list(address: std::net::SocketAddr, token: &str) -> String {
    modern(
        address,
        token,
        "tools/list",
        "",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#,
    )
}

/// Reading a file, as a request of the modern revision.
pub fn read_file(address: std::net::SocketAddr, token: &str, path: &str) -> String {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"read_file","arguments":{{"path":"{path}"}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    modern(address, token, "tools/call", "Mcp-Name: read_file\r\n", &body)
}

fn modern(address: std::net::SocketAddr, token: &str, method: &str, more: &str, body: &str) -> String {
    format!(
        "POST /mcp/fs HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{more}\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
