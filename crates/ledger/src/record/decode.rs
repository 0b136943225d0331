//! Reading a leaf back: strict, for a leaf that says something twice or unclearly says nothing.

use remit_core::digest::Digest;
use remit_core::json::{self, Value};
use remit_core::time::Timestamp;

use super::encode::LEAF;
use super::{FORMAT, LEAF_BYTES_MAX, Record, RecordError, is_kind};
use crate::tree::SIZE_MAX;

impl Record {
    /// Reads a leaf.
    ///
    /// # Errors
    /// [`RecordError`] says what is wrong: not canonical, an unknown member, a wrong type, another format.
    pub fn decode(leaf: &[u8]) -> Result<Self, RecordError> {
        if leaf.len() > LEAF_BYTES_MAX {
            return Err(RecordError::TooLong(leaf.len()));
        }
        let value = json::parse(leaf, &LEAF).map_err(RecordError::Json)?;
        if value.to_canonical() != leaf {
            return Err(RecordError::NotCanonical);
        }
        let Value::Object(members) = value else {
            return Err(RecordError::Missing("v"));
        };
        match members.get("v") {
            None => return Err(RecordError::Missing("v")),
            Some(v) if v.as_u64() != Some(FORMAT) => return Err(RecordError::Format(v.to_string())),
            Some(_) => {}
        }
        for required in ["seq", "time", "type"] {
            if !members.contains_key(required) {
                return Err(RecordError::Missing(required));
            }
        }
        let mut record = Self::default();
        for (name, value) in members.iter() {
            record.set(name, value)?;
        }
        Ok(record)
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), RecordError> {
        match name {
            "v" => {}
            "seq" => self.seq = integer("seq", value, SIZE_MAX - 1)?,
            "time" => {
                let time = integer("time", value, json::MAX_SAFE_INTEGER.unsigned_abs())?;
                self.time = Timestamp(i64::try_from(time).unwrap_or(i64::MAX));
            }
            "type" => {
                let kind = text("type", value)?.filter(|kind| is_kind(kind));
                let want = "1 to 64 lowercase letters, digits, `_` or `.`";
                self.kind = kind.ok_or(RecordError::Member { member: "type", want })?;
            }
            "agent" => self.agent = text("agent", value)?,
            "approval" => self.approval = text("approval", value)?,
            "body" => self.body = digest("body", value)?,
            "chain" => self.chain = list("chain", value)?,
            "class" => self.class = text("class", value)?,
            "commitment" => self.commitment = digest("commitment", value)?,
            "confinement" => self.confinement = text("confinement", value)?,
            "decision" => self.decision = text("decision", value)?,
            "decision_id" => self.decision_id = text("decision_id", value)?,
            "detail" => {
                let object = value.as_object().filter(|object| !object.is_empty());
                let want = "an object that is not empty";
                self.detail = object
                    .ok_or(RecordError::Member {
                        member: "detail",
                        want,
                    })?
                    .clone();
            }
            "digest" => self.digest = digest("digest", value)?,
            "initiator" => self.initiator = text("initiator", value)?,
            "labels" => self.labels = list("labels", value)?,
            "lane" => self.lane = text("lane", value)?,
            "origin" => self.origin = text("origin", value)?,
            "outcome" => self.outcome = text("outcome", value)?,
            "policy_version" => self.policy_version = text("policy_version", value)?,
            "proof" => self.proof = text("proof", value)?,
            "reason" => self.reason = text("reason", value)?,
            "resource" => self.resource = text("resource", value)?,
            "rules" => self.rules = list("rules", value)?,
            "run" => self.run = text("run", value)?,
            "task" => self.task = text("task", value)?,
            "tool" => self.tool = text("tool", value)?,
            unknown => return Err(RecordError::Unknown(unknown.to_owned())),
        }
        Ok(())
    }
}

fn text(member: &'static str, value: &Value) -> Result<Option<String>, RecordError> {
    match value.as_str() {
        Some(text) if !text.is_empty() => Ok(Some(text.to_owned())),
        _ => Err(RecordError::Member {
            member,
            want: "a text that is not empty",
        }),
    }
}

fn digest(member: &'static str, value: &Value) -> Result<Option<Digest>, RecordError> {
    let digest = value.as_str().and_then(Digest::parse);
    let want = "a digest `sha-256:` + 43 letters of base64url";
    digest.map(Some).ok_or(RecordError::Member { member, want })
}

fn integer(member: &'static str, value: &Value, max: u64) -> Result<u64, RecordError> {
    let number = value.as_u64().filter(|&number| number <= max);
    number.ok_or(RecordError::Member {
        member,
        want: "a whole number in range",
    })
}

fn list(member: &'static str, value: &Value) -> Result<Vec<String>, RecordError> {
    let wrong = || RecordError::Member {
        member,
        want: "a list of texts, none of them empty",
    };
    let items = value
        .as_array()
        .filter(|items| !items.is_empty())
        .ok_or_else(wrong)?;
    let one = |item: &Value| {
        item.as_str()
            .filter(|text| !text.is_empty())
            .map(ToOwned::to_owned)
    };
    items.iter().map(one).collect::<Option<_>>().ok_or_else(wrong)
}
