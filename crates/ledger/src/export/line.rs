//! The two kinds of lines that are not records.

use remit_core::json::{self, Bounds, Nul, Numbers, Object, Value};
use remit_core::object;

use super::{FORMAT, LINE_BYTES_MAX};
use crate::base64;
use crate::hash::Hash;
use crate::note::VerifierKey;
use crate::tree::Frontier;

/// Begins every line that is not a record; no record begins like this.
pub(super) const PREFIX: &[u8] = b"{\"remit\":";

const LINE: Bounds = Bounds {
    bytes_max: LINE_BYTES_MAX,
    depth_max: 5,
    nodes_max: 10_000,
    numbers: Numbers::Exact,
    nul: Nul::Refused,
};

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub origin: String,
    pub key: VerifierKey,
    pub start: Frontier,
    pub head: String,
}

/// The line before up to 256 records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bundle {
    /// Record behind this line.
    pub first: u64,
    pub checkpoints: Vec<String>,
    pub leaves: Vec<Hash>,
}

impl Header {
    pub(super) fn to_line(&self) -> Vec<u8> {
        let mut export = Object::new();
        export.insert("format", number(FORMAT));
        export.insert("first", number(self.start.size()));
        export.insert("origin", self.origin.as_str());
        export.insert("key", self.key.to_string());
        export.insert("head", self.head.as_str());
        if self.start.size() > 0 {
            let peaks = self
                .start
                .peaks()
                .iter()
                .map(|hash| Value::from(hash.to_string()));
            export.insert("peaks", Value::Array(peaks.collect()));
        }
        wrap("export", Value::Object(export))
    }

    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let export = unwrap(line, "export")?;
        let format = export.get("format").and_then(Value::as_u64);
        if format != Some(FORMAT) {
            return Err("it has another format than 1: use a newer version".to_owned());
        }
        let first = export
            .get("first")
            .and_then(Value::as_u64)
            .ok_or("`first` is not a number")?;
        let peaks = match export.get("peaks") {
            None => Vec::new(),
            Some(peaks) => texts(peaks)
                .and_then(|peaks| {
                    peaks
                        .iter()
                        .map(|text| Hash::parse(text))
                        .collect::<Option<Vec<_>>>()
                })
                .ok_or("`peaks` is not a list of hashes")?,
        };
        let start = Frontier::from_parts(first, peaks).map_err(|error| format!("`peaks`: {error}"))?;
        let text = |name: &str| {
            let text = export.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
            text.ok_or_else(|| format!("`{name}` is not a text"))
        };
        let key = VerifierKey::parse(&text("key")?).map_err(|error| error.to_string())?;
        let header = Self {
            origin: text("origin")?,
            key,
            start,
            head: text("head")?,
        };
        if header.to_line() == line {
            Ok(header)
        } else {
            Err("it has more members than it should".to_owned())
        }
    }
}

impl Bundle {
    pub(super) fn to_line(&self) -> Vec<u8> {
        let mut bundle = Object::new();
        if !self.checkpoints.is_empty() {
            let notes = self.checkpoints.iter().map(|note| Value::from(note.as_str()));
            bundle.insert("checkpoints", Value::Array(notes.collect()));
        }
        let leaves: Vec<u8> = self.leaves.iter().flat_map(|hash| hash.0).collect();
        bundle.insert("first", number(self.first));
        bundle.insert("leaves", base64::encode(&leaves));
        wrap("bundle", Value::Object(bundle))
    }

    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let bundle = unwrap(line, "bundle")?;
        let checkpoints = match bundle.get("checkpoints") {
            None => Vec::new(),
            Some(notes) => texts(notes).ok_or("`checkpoints` is not a list of texts")?,
        };
        let first = bundle
            .get("first")
            .and_then(Value::as_u64)
            .ok_or("`first` is not a number")?;
        let leaves = bundle
            .get("leaves")
            .and_then(Value::as_str)
            .and_then(base64::decode);
        let leaves = leaves.ok_or("`leaves` is not base64")?;
        let leaves: Option<Vec<Hash>> = leaves.chunks(32).map(Hash::from_slice).collect();
        let bundle = Self {
            first,
            checkpoints,
            leaves: leaves.ok_or("`leaves` is not a row of 32-byte hashes")?,
        };
        if bundle.to_line() == line {
            Ok(bundle)
        } else {
            Err("it has more members than it should".to_owned())
        }
    }
}

fn number(value: u64) -> Value {
    json::Value::from(i64::try_from(value).unwrap_or(json::MAX_SAFE_INTEGER))
}

fn wrap(name: &str, value: Value) -> Vec<u8> {
    object! { "remit": object! { (name): value } }.to_canonical()
}

fn unwrap(line: &[u8], name: &str) -> Result<Object, String> {
    let value = json::parse(line, &LINE).map_err(|error| error.to_string())?;
    let inner = value
        .get("remit")
        .and_then(|remit| remit.get(name))
        .and_then(Value::as_object);
    inner.cloned().ok_or_else(|| format!("it is not a line `{name}`"))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|text| text.as_str().map(ToOwned::to_owned))
        .collect()
}
