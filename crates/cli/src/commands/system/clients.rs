//! Which package registries this user's clients are configured to use: pip, uv, npm, cargo.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// Variables that hold an address, or several.
const VARIABLES: [&str; 9] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "npm_config_registry",
    "NPM_CONFIG_REGISTRY",
    "YARN_NPM_REGISTRY_SERVER",
    "CARGO_REGISTRIES_CRATES_IO_INDEX",
];

/// Configuration files below the home folder, and the keys that hold an address.
const FILES: [(&str, &[&str]); 6] = [
    (".config/pip/pip.conf", &["index-url", "extra-index-url"]),
    (".pip/pip.conf", &["index-url", "extra-index-url"]),
    (".config/uv/uv.toml", &["url", "index-url", "default-index"]),
    (".npmrc", &["registry"]),
    (".cargo/config.toml", &["registry", "index", "dl"]),
    (".cargo/config", &["registry", "index", "dl"]),
];

/// The hosts, without ports, each once.
pub(super) fn hosts(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = BTreeSet::new();
    for name in VARIABLES {
        for word in variable(name).unwrap_or_default().split_whitespace() {
            found.extend(host_of(word));
        }
    }
    let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
    for (file, keys) in FILES {
        let text = std::fs::read_to_string(home.join(file)).unwrap_or_default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let key = key.trim();
            if keys
                .iter()
                .any(|wanted| key == *wanted || key.ends_with(&format!(":{wanted}")))
            {
                for word in value.split([' ', '"', '\'', ',']) {
                    found.extend(host_of(word));
                }
            }
        }
    }
    found.into_iter().collect()
}

fn host_of(word: &str) -> Option<String> {
    let (scheme, rest) = word.trim().split_once("://")?;
    if !scheme.ends_with("https") && !scheme.ends_with("http") {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_variables_and_files() {
        let home = std::env::temp_dir().join(format!("remit-clients-{}", std::process::id()));
        std::fs::create_dir_all(home.join(".cargo")).unwrap();
        std::fs::write(home.join(".npmrc"), "registry=https://npm.example/\n@acme:registry=https://acme.example/npm\n//npm.example/:_authToken=x\n").unwrap();
        std::fs::write(
            home.join(".cargo/config.toml"),
            "[source.mirror]\nregistry = \"sparse+https://crates.example/index/\"\n",
        )
        .unwrap();
        let found = hosts(|name| match name {
            "HOME" => Some(home.to_string_lossy().into_owned()),
            "PIP_INDEX_URL" => Some("https://user:secret@pip.example:8443/simple".to_owned()),
            _ => None,
        });
        std::fs::remove_dir_all(&home).unwrap();
        assert_eq!(
            found,
            ["acme.example", "crates.example", "npm.example", "pip.example"]
        );
    }
}
