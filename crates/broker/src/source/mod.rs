//! Where the value of a secret lies: sealed with us, or with somebody who keeps it better. References are read at each
//! use and never copied, so a rotation there takes effect at the next call.

mod command;
mod file;
pub mod kv;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use remit_core::json::{Bounds, Value};
use secrecy::SecretString;

use crate::port::{Http, Unreached};

/// Longest value taken from anywhere, in bytes.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Where a value lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Sealed in our store, in versions.
    Vault,
    /// A field of a key-value entry of a manager named in the configuration.
    Kv {
        /// The manager: `[managers.NAME]`.
        manager: String,
        /// API path below `/v1/`: `secret/data/erp` (version 2) or `secret/erp` (version 1).
        path: String,
        /// The field.
        field: String,
    },
    /// What a program prints; no shell is involved.
    Command(Vec<String>),
    /// What a file holds.
    File(PathBuf),
    /// A variable of the environment Remit was started with.
    Environment(String),
}

/// Text that is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a reference: write `kv:MANAGER/PATH#FIELD`, `command:PROGRAM ARGUMENT…` (or `command:[\"PROGRAM\", \"ARGUMENT\"]` where one holds a blank), `file:/PATH` or `env:NAME`"
)]
pub struct BadSource(pub String);

impl FromStr for Source {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        let bad = || BadSource(text.chars().take(200).flat_map(char::escape_debug).collect());
        if text == "vault" {
            return Ok(Self::Vault);
        }
        let (kind, rest) = text.split_once(':').ok_or_else(bad)?;
        match kind {
            "kv" => {
                let (manager, rest) = rest.split_once('/').ok_or_else(bad)?;
                let (path, field) = rest.rsplit_once('#').ok_or_else(bad)?;
                let plain = |part: &str| {
                    !part.is_empty()
                        && part.split('/').all(|s| !s.is_empty() && s != "." && s != "..")
                        && part
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
                };
                if manager.is_empty() || !plain(path) || field.is_empty() {
                    return Err(bad());
                }
                Ok(Self::Kv {
                    manager: manager.to_owned(),
                    path: path.to_owned(),
                    field: field.to_owned(),
                })
            }
            "command" => {
                let words = if rest.trim_start().starts_with('[') {
                    listed(rest).ok_or_else(bad)?
                } else {
                    rest.split_ascii_whitespace().map(str::to_owned).collect()
                };
                // An argument may be empty or anything but cut off; a program has a name.
                if words.first().is_none_or(String::is_empty) || words.iter().any(|w| w.contains('\0')) {
                    return Err(bad());
                }
                Ok(Self::Command(words))
            }
            "file" if rest.starts_with('/') => Ok(Self::File(rest.into())),
            "env" if !rest.is_empty() && !rest.contains(['=', '\0']) => {
                Ok(Self::Environment(rest.to_owned()))
            }
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault => f.write_str("vault"),
            Self::Kv { manager, path, field } => write!(f, "kv:{manager}/{path}#{field}"),
            Self::Command(words) => write!(f, "command:{}", written(words)),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Environment(name) => write!(f, "env:{name}"),
        }
    }
}

/// A command as a JSON array of texts.
fn listed(text: &str) -> Option<Vec<String>> {
    let list = remit_core::json::parse(text.as_bytes(), &Bounds::REQUEST).ok()?;
    let words = list.as_array()?.iter();
    words.map(|word| word.as_str().map(str::to_owned)).collect()
}

/// A command so that it reads back: its words, as an array where one of them is not plainly one.
fn written(words: &[String]) -> String {
    let plain = |word: &String| !word.is_empty() && !word.contains(|c: char| c.is_ascii_whitespace());
    let as_list = words.first().is_some_and(|first| first.starts_with('['));
    if words.iter().all(plain) && !as_list {
        return words.join(" ");
    }
    let words: Vec<Value> = words.iter().map(|word| word.as_str().into()).collect();
    Value::Array(words).to_string()
}

/// Why a reference gives no value. No part of any value is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// What it points to is not there or cannot be read.
    #[error("`{source_text}` gives no value: {why}")]
    NoValue {
        /// The reference.
        source_text: String,
        /// Why.
        why: String,
    },
}

impl SourceError {
    fn new(source: &Source, why: impl fmt::Display) -> Self {
        Self::NoValue {
            source_text: source.to_string(),
            why: why.to_string(),
        }
    }
}

/// What reading references takes.
pub struct Reader<'r> {
    /// Requests to managers.
    pub http: &'r dyn Http,
    /// The manager a reference names.
    pub manager: Option<kv::Manager>,
    /// Where programs are looked for.
    pub search_path: OsString,
}

/// Reads the value a reference leads to.
///
/// # Errors
/// [`SourceError`] with what to mend.
pub async fn read(source: &Source, reader: &Reader<'_>) -> Result<SecretString, SourceError> {
    let value = match source {
        Source::Vault => Err("it is no reference".to_owned()),
        Source::File(path) => file::read(path),
        Source::Environment(name) => std::env::var(name)
            .map(SecretString::from)
            .map_err(|_| "the variable is not set, or is no text".to_owned()),
        Source::Command(words) => command::read(words, &reader.search_path).await,
        Source::Kv { path, field, .. } => match &reader.manager {
            Some(manager) => kv::read(manager, path, field, reader.http)
                .await
                .map_err(|error: Unreached| error.to_string()),
            None => Err("no such manager is configured: add `[managers.NAME]`".to_owned()),
        },
    };
    value.map_err(|why| SourceError::new(source, why))
}

/// A value as text, without the line end that files and programs put behind it.
fn value_of(bytes: &[u8]) -> Result<SecretString, String> {
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(format!("it is longer than {VALUE_BYTES_MAX} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn references_read_back_and_nonsense_is_refused() {
        for text in [
            "vault",
            "kv:bao/secret/data/erp#password",
            "command:op read op://erp/password",
            r#"command:["op","read","op://My Vault/erp/password"]"#,
            r#"command:["[","x","]"]"#,
            "file:/run/secrets/erp",
            "env:ERP_PASSWORD",
        ] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "file:relative",
            "kv:bao",
            "kv:bao/secret",
            "kv:/x#y",
            "kv:bao/../sys/seal#x",
            "kv:bao/a//b#x",
            "kv:bao/a?list=true#x",
            "command:",
            "command:[",
            "command:[]",
            "command:[1]",
            r#"command:[""]"#,
            r#"command:["a\u0000b"]"#,
            r#"command:["op"] read"#,
            "env:",
            "env:A=B",
            "http://x",
        ] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_command_reads_back_whatever_its_words_hold() {
        let spaced = Source::Command(["op", "read", "op://My Vault/x"].map(str::to_owned).to_vec());
        for (text, same) in [
            (r#"command:["op", "read", "op://My Vault/x"]"#, &spaced),
            (
                r#"command:["op","read"]"#,
                &Source::Command(["op", "read"].map(str::to_owned).to_vec()),
            ),
            (
                r#"command:["env",""]"#,
                &Source::Command(["env", ""].map(str::to_owned).to_vec()),
            ),
        ] {
            let read: Source = text.parse().unwrap();
            assert_eq!(read, *same, "{text}");
            assert_eq!(read.to_string().parse::<Source>().unwrap(), *same, "{read}");
        }
    }

    #[test]
    fn a_line_end_is_no_part_of_a_value() {
        assert_eq!(value_of(b"s3cret\r\n").unwrap().expose_secret(), "s3cret");
        assert_eq!(value_of(b" s3cret ").unwrap().expose_secret(), " s3cret ");
        assert!(value_of(b"\n").is_err());
        assert!(value_of(&[0xff, 0xfe]).is_err());
        assert!(value_of(&vec![b'a'; VALUE_BYTES_MAX + 1]).is_err());
    }
}
