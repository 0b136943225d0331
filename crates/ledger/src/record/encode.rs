//! Writing a leaf: members in canonical order, each in its one spelling.

use remit_core::json::{self, Bounds, Nul, Numbers, Object, Value};
use remit_core::time::Timestamp;

use super::{FORMAT, LEAF_BYTES_MAX, Record, RecordError, is_kind};
use crate::tree::SIZE_MAX;

/// Bounds of a leaf: exact numbers, so that its bytes are canonical; U+0000 kept, for tools return such names.
pub(super) const LEAF: Bounds = Bounds {
    bytes_max: LEAF_BYTES_MAX,
    depth_max: remit_core::limits::JSON_DEPTH_MAX,
    nodes_max: LEAF_BYTES_MAX,
    numbers: Numbers::Exact,
    nul: Nul::Kept,
};

/// A leaf whose place and time are not known yet: everything else is encoded and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLeaf {
    bytes: Vec<u8>,
    /// Where the digits of `seq` belong.
    seq_at: usize,
    /// Where the digits of `time` belong.
    time_at: usize,
}

impl OpenLeaf {
    /// The leaf at this place and time.
    ///
    /// # Errors
    /// [`RecordError`] when it is too long, or place or time cannot be in a log.
    pub fn close(&self, seq: u64, time: Timestamp) -> Result<Vec<u8>, RecordError> {
        let wrong = |member, want| Err(RecordError::Member { member, want });
        if seq >= SIZE_MAX {
            return wrong("seq", "a place in the log, below 2^53 - 1");
        }
        if !(0..=json::MAX_SAFE_INTEGER).contains(&time.0) {
            return wrong("time", "milliseconds since 1970, below 2^53");
        }
        let (head, rest) = self.bytes.split_at_checked(self.seq_at).unwrap_or_default();
        let between = self.time_at.saturating_sub(self.seq_at);
        let (middle, tail) = rest.split_at_checked(between).unwrap_or_default();
        let (seq, time) = (seq.to_string(), time.0.to_string());
        let leaf = [head, seq.as_bytes(), middle, time.as_bytes(), tail].concat();
        if leaf.len() > LEAF_BYTES_MAX {
            return Err(RecordError::TooLong(leaf.len()));
        }
        Ok(leaf)
    }
}

impl Record {
    /// The leaf: canonical JSON.
    ///
    /// # Errors
    /// When the record is too long, a member is empty, or `detail` has a number that is not exact.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        self.open_leaf()?.close(self.seq, self.time)
    }

    /// The leaf but for [`Self::seq`] and [`Self::time`]: made by whoever records, closed by whoever orders records.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn open_leaf(&self) -> Result<OpenLeaf, RecordError> {
        if !is_kind(&self.kind) {
            let want = "1 to 64 lowercase letters, digits, `_` or `.`";
            return Err(RecordError::Member { member: "type", want });
        }
        let mut leaf = Leaf {
            out: Vec::with_capacity(1024),
        };
        leaf.text("agent", self.agent.as_deref())?;
        leaf.text("approval", self.approval.as_deref())?;
        leaf.digest("body", self.body);
        leaf.list("chain", &self.chain)?;
        leaf.text("class", self.class.as_deref())?;
        leaf.digest("commitment", self.commitment);
        leaf.text("confinement", self.confinement.as_deref())?;
        leaf.text("decision", self.decision.as_deref())?;
        leaf.text("decision_id", self.decision_id.as_deref())?;
        leaf.object("detail", &self.detail)?;
        leaf.digest("digest", self.digest);
        leaf.text("initiator", self.initiator.as_deref())?;
        leaf.list("labels", &self.labels)?;
        leaf.text("lane", self.lane.as_deref())?;
        leaf.text("origin", self.origin.as_deref())?;
        leaf.text("outcome", self.outcome.as_deref())?;
        leaf.text("policy_version", self.policy_version.as_deref())?;
        leaf.text("proof", self.proof.as_deref())?;
        leaf.text("reason", self.reason.as_deref())?;
        leaf.text("resource", self.resource.as_deref())?;
        leaf.list("rules", &self.rules)?;
        leaf.text("run", self.run.as_deref())?;
        leaf.member("seq");
        let seq_at = leaf.out.len();
        leaf.text("task", self.task.as_deref())?;
        leaf.member("time");
        let time_at = leaf.out.len();
        leaf.text("tool", self.tool.as_deref())?;
        leaf.text("type", Some(&self.kind))?;
        leaf.number("v", FORMAT);
        leaf.out.push(b'}');
        if leaf.out.len() > LEAF_BYTES_MAX {
            return Err(RecordError::TooLong(leaf.out.len()));
        }
        Ok(OpenLeaf {
            bytes: leaf.out,
            seq_at,
            time_at,
        })
    }
}

/// A leaf in the making.
struct Leaf {
    out: Vec<u8>,
}

impl Leaf {
    /// Begins a member. The names of this format need no escapes.
    fn member(&mut self, name: &str) {
        self.out.push(if self.out.is_empty() { b'{' } else { b',' });
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn number(&mut self, name: &'static str, value: u64) {
        self.member(name);
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    fn text(&mut self, name: &'static str, value: Option<&str>) -> Result<(), RecordError> {
        match value {
            None => Ok(()),
            Some("") => Err(RecordError::Member {
                member: name,
                want: "left out when it is empty",
            }),
            Some(text) => {
                self.member(name);
                write_string(text, &mut self.out);
                Ok(())
            }
        }
    }

    fn digest(&mut self, name: &'static str, value: Option<remit_core::digest::Digest>) {
        if let Some(digest) = value {
            self.member(name);
            write_string(&digest.to_string(), &mut self.out);
        }
    }

    fn list(&mut self, name: &'static str, values: &[String]) -> Result<(), RecordError> {
        if values.iter().any(String::is_empty) {
            return Err(RecordError::Member {
                member: name,
                want: "a list of texts that are not empty",
            });
        }
        let mut before = b'[';
        for value in values {
            if before == b'[' {
                self.member(name);
            }
            self.out.push(before);
            write_string(value, &mut self.out);
            before = b',';
        }
        if before == b',' {
            self.out.push(b']');
        }
        Ok(())
    }

    /// Numbers that were only relayed may not be canonical, so an object is read back before it counts.
    fn object(&mut self, name: &'static str, object: &Object) -> Result<(), RecordError> {
        if object.is_empty() {
            return Ok(());
        }
        self.member(name);
        let start = self.out.len();
        let mut before = b'{';
        for (key, value) in object.iter() {
            self.out.push(before);
            write_string(key, &mut self.out);
            self.out.push(b':');
            value.write_canonical(&mut self.out);
            before = b',';
        }
        self.out.push(b'}');
        if self.out.len() > LEAF_BYTES_MAX {
            return Err(RecordError::TooLong(self.out.len()));
        }
        let written = self.out.get(start..).unwrap_or_default();
        let bounds = Bounds {
            depth_max: remit_core::limits::JSON_DEPTH_MAX - 1,
            ..LEAF
        };
        let read = json::parse(written, &bounds).map_err(RecordError::Json)?;
        if read.to_canonical() == written {
            Ok(())
        } else {
            Err(RecordError::NotCanonical)
        }
    }
}

/// A JSON string as RFC 8785 writes it.
fn write_string(text: &str, out: &mut Vec<u8>) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        Value::from(text).write_canonical(out);
    }
}
