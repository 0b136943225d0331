//! The key of the rows that grant: what authenticates one, and what sums up many.

use aws_lc_rs::hmac;

use crate::sql::Value;

/// The key that authenticates rows: kept outside the database, 32 bytes.
pub struct RowKey(hmac::Key);

impl RowKey {
    /// Takes the 32 bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// HMAC-SHA256 over a purpose and values, each with its kind and length.
    pub(crate) fn mac(&self, purpose: &str, values: &[Value<'_>]) -> [u8; 32] {
        let mut text = Vec::with_capacity(512);
        text.extend_from_slice(b"remit row v1\n");
        push(&mut text, b't', purpose.as_bytes());
        for value in values {
            match value {
                Value::Null => text.push(b'n'),
                Value::Int(int) => push(&mut text, b'i', &int.to_be_bytes()),
                Value::Text(word) => push(&mut text, b't', word.as_bytes()),
                Value::Bytes(bytes) => push(&mut text, b'b', bytes),
            }
        }
        let mut out = [0_u8; 32];
        for (to, from) in out.iter_mut().zip(hmac::sign(&self.0, &text).as_ref()) {
            *to = *from;
        }
        out
    }
}

fn push(text: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    text.push(kind);
    text.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    text.extend_from_slice(bytes);
}

/// Sum over a table's rows, modulo 2^256: what it was made of does not depend on the order.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Sum([u64; 4]);

impl Sum {
    pub(crate) fn add(&mut self, term: Self) {
        let mut carry = false;
        for (mine, more) in self.0.iter_mut().zip(term.0) {
            let (low, first) = mine.overflowing_add(more);
            let (low, second) = low.overflowing_add(u64::from(carry));
            *mine = low;
            carry = first || second;
        }
    }

    pub(crate) fn sub(&mut self, term: Self) {
        let mut borrow = false;
        for (mine, less) in self.0.iter_mut().zip(term.0) {
            let (low, first) = mine.overflowing_sub(less);
            let (low, second) = low.overflowing_sub(u64::from(borrow));
            *mine = low;
            borrow = first || second;
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut out = [0_u8; 32];
        for (to, limb) in out.chunks_exact_mut(8).zip(self.0) {
            to.copy_from_slice(&limb.to_be_bytes());
        }
        out
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut sum = Self::default();
        for (limb, from) in sum.0.iter_mut().zip(bytes.chunks_exact(8)) {
            *limb = from.iter().fold(0, |all, byte| (all << 8) | u64::from(*byte));
        }
        sum
    }

    /// The part of the row with this authentication.
    pub(crate) fn of_row(key: &RowKey, mac: &[u8]) -> Self {
        Self::from_bytes(&key.mac("sum", &[Value::from(mac)]))
    }
}

/// Compares without telling how much was right.
pub(crate) fn same(ours: &[u8; 32], theirs: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(ours, theirs).is_ok()
}
