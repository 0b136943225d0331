//! Secrets we know and must never let through: scrubbed from everything an upstream says.

use zeroize::Zeroizing;

use crate::app::App;

/// Values that must appear in no call and no answer: what the broker keeps, tokens of logins, and environment values of
/// stdio servers that look like credentials.
#[must_use]
pub fn known(app: &App) -> Vec<Zeroizing<String>> {
    let world = app.world();
    let mut known = app.broker.opened();
    for server in world.registry.servers() {
        for (name, value) in &server.server.environment {
            if is_credential(name) && value.len() >= 8 {
                known.push(Zeroizing::new(value.clone()));
            }
        }
    }
    known.extend(app.logins.in_use());
    known
}

/// Names under which people keep credentials.
fn is_credential(name: &str) -> bool {
    let upper = name.to_uppercase();
    [
        "TOKEN",
        "KEY",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "CREDENTIAL",
        "AUTH",
    ]
    .iter()
    .any(|word| upper.contains(word))
}
