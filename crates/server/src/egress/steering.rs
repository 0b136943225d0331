//! Steering: the variables by which clients find the proxy and trust its certificates, and the files these name.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Where systems keep the authorities they trust.
const ROOTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Variables that name a file with every trusted authority: OpenSSL, curl, Python requests, pip, git, npm, cargo, AWS.
const WHOLE: [&str; 8] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "npm_config_cafile",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
];

/// Variables that name a file with a further authority: Node, Deno.
const FURTHER: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// Files with an authority of ours: alone, and together with those of the machine.
#[derive(Debug)]
pub struct Trust {
    alone: PathBuf,
    all: PathBuf,
}

impl Trust {
    /// Writes `own` (PEM) into `folder`, which is the reader's alone.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(folder: &Path, own: &str) -> io::Result<Self> {
        let trust = Self {
            alone: folder.join("ca.pem"),
            all: folder.join("trust.pem"),
        };
        let machine = std::env::var_os("SSL_CERT_FILE")
            .map(PathBuf::from)
            .into_iter()
            .chain(ROOTS.map(PathBuf::from))
            .find_map(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        put(&trust.alone, own)?;
        put(&trust.all, &format!("{}\n{own}", machine.trim_end()))?;
        Ok(trust)
    }
}

/// Puts a file where clients may be reading the one before.
fn put(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}

/// What leads every common client to the proxy at `proxy` (its address, with whatever it is told of the client in it).
#[must_use]
pub fn variables(proxy: &str, trust: &Trust) -> Vec<(String, OsString)> {
    let mut variables: Vec<(String, OsString)> = Vec::new();
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"] {
        variables.push((name.to_owned(), proxy.into()));
    }
    for name in ["NO_PROXY", "no_proxy"] {
        variables.push((name.to_owned(), "127.0.0.1,localhost,::1".into()));
    }
    for name in WHOLE {
        variables.push((name.to_owned(), trust.all.clone().into()));
    }
    for name in FURTHER {
        variables.push((name.to_owned(), trust.alone.clone().into()));
    }
    variables.push(("NODE_USE_ENV_PROXY".to_owned(), "1".into()));
    variables
}
