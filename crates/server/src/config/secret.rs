//! References to secrets: the configuration says where one is, never what it is.

use zeroize::Zeroizing;

/// Refuses what is no reference.
///
/// # Errors
/// A sentence with what to write.
pub(super) fn check(reference: &str) -> Result<(), String> {
    match reference.split_once(':') {
        Some(("env" | "file", place)) if !place.is_empty() => Ok(()),
        _ => Err("write `env:NAME` or `file:PATH`: a secret does not stand in the configuration".to_owned()),
    }
}

/// The secret behind `env:NAME` or `file:PATH`, without a line end.
///
/// # Errors
/// A sentence that never holds the secret.
pub fn read(reference: &str) -> Result<Zeroizing<String>, String> {
    let text = match reference.split_once(':') {
        Some(("env", name)) => {
            std::env::var(name).map_err(|_| format!("the variable `{name}` is not set"))?
        }
        Some(("file", path)) => {
            std::fs::read_to_string(path).map_err(|error| format!("cannot read `{path}`: {error}"))?
        }
        _ => return Err("a secret is referred to by `env:NAME` or `file:PATH`".to_owned()),
    };
    let text = Zeroizing::new(text);
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err("the secret is empty".to_owned());
    }
    Ok(Zeroizing::new(secret.to_owned()))
}
