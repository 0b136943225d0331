//! What the tests of the token endpoint share.

use remit_server::config::{Config, OauthClient};
use remit_server::engine::session;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{House, dial};
use crate::tls_client::{form_request, split};

pub const JWT_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
pub const ISSUER: &str = "https://remit.example";
pub const CI: [(&str, &str); 2] = [("client_id", "ci"), ("client_secret", "correct horse")];

pub struct Folder(pub std::path::PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("remit-token-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub async fn token(house: &House, headers: &str, pairs: &[(&str, &str)]) -> (u16, Value, String) {
    let address = house.running.address;
    let mut stream = dial(address).await;
    let request = form_request(address, "/oauth/token", headers, pairs);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (status, body) = split(&answer);
    (status, body, answer)
}

pub async fn ask(house: &House, pairs: &[&[(&str, &str)]]) -> (u16, Value) {
    let (status, body, _) = token(house, "", &pairs.concat()).await;
    (status, body)
}

pub fn now_s(house: &House) -> i64 {
    house.app().clock.now().0 / 1000
}

/// Initiator and agent of the task behind an answer; it is open and its token works.
pub async fn governed(house: &House, answer: &Value) -> (String, String) {
    let id = answer["task"].as_str().unwrap().parse().unwrap();
    let live = session::of_task(house.app(), id).await.unwrap();
    let task = live.snapshot().task.clone();
    let token = answer["access_token"].as_str().unwrap();
    let (status, _) = house.rpc(token, "tools/list", serde_json::json!({})).await;
    assert_eq!(status, 200);
    // What the template gives, and no more.
    let tools: Vec<String> = task.authority.tools.iter().map(ToString::to_string).collect();
    assert_eq!(tools, ["fs/*"]);
    (task.initiator.to_string(), task.agent.to_string())
}

pub async fn tasks(house: &House) -> usize {
    house
        .records()
        .await
        .iter()
        .filter(|record| record.kind == "task.open")
        .count()
}

pub fn of_ci(config: &mut Config) -> OauthClient {
    OauthClient {
        secret: None,
        ..config.oauth.clients["ci"].clone()
    }
}
