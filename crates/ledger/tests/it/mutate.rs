//! Ways to tamper with a log, each saying what it did and how closely that must be located.

use remit_ledger::tree::{stored_hash_index, stored_hash_position};
use remit_ledger::verify::Kind;
use remit_ledger::{Hash, leaf_hash};

use crate::log::{Dice, Log, ORIGIN, row, signer};

/// What a mutation did, and how closely it must be located.
pub struct Done {
    pub what: String,
    /// Records concerned, inclusive: a finding must cover or touch them.
    pub at: (u64, u64),
    /// Widest range a finding may name.
    pub within: (u64, u64),
    pub kinds: &'static [Kind],
}

/// Checkpoints held outside, and whether the verifier gets the stored hashes.
pub struct Setting {
    pub held: Vec<String>,
    pub hashes: bool,
}

/// The 14 ways to tamper.
pub const WAYS: u64 = 14;

pub fn mutate(way: u64, log: &mut Log, setting: &mut Setting, dice: &mut Dice) -> Done {
    let count = log.rows.len();
    let signed = usize::try_from(log.signed()).unwrap();
    let at = dice.roll(signed);
    let seq = at as u64;
    let (from, to) = log.segment(seq);
    let exact = |seq: u64| {
        if setting.hashes {
            (seq, seq)
        } else {
            (from, to - 1)
        }
    };
    let done = |what: &str, at, within, kinds| Done {
        what: what.to_owned(),
        at,
        within,
        kinds,
    };
    match way {
        0 => {
            let byte = dice.roll(log.rows[at].len());
            log.rows[at][byte] ^= 1 << dice.roll(8);
            // A changed `seq` can look like another row in this place: that is found as well.
            let near = (exact(seq).0.saturating_sub(1), exact(seq).1 + 1);
            done(
                "edit",
                (seq, seq),
                near,
                &[Kind::Edited, Kind::Changed, Kind::Extra, Kind::Missing],
            )
        }
        1 => {
            log.rows[at] = row(seq, "forged");
            done("replace", (seq, seq), exact(seq), &[Kind::Edited, Kind::Changed])
        }
        2 => {
            log.rows[at] = row(seq, "forged");
            let index = usize::try_from(stored_hash_index(0, seq)).unwrap();
            log.hashes[index] = Some(leaf_hash(&log.rows[at]));
            // The sibling cannot be told apart, except where the record stands alone at the checkpoint.
            let pair = if to % 2 == 1 && seq == to - 1 {
                (from, to - 1)
            } else {
                (seq & !1, seq | 1)
            };
            let within = if setting.hashes { pair } else { (from, to - 1) };
            done(
                "replace with its hash",
                (seq, seq),
                within,
                &[Kind::Edited, Kind::Changed],
            )
        }
        3 => {
            log.rows[at] = row(seq, "forged");
            log.rehash();
            done(
                "replace and rehash",
                (seq, seq),
                (from, to - 1),
                &[Kind::Edited, Kind::Changed],
            )
        }
        4 => {
            let many = dice.between(1, 6).min(signed - at);
            log.rows.drain(at..at + many);
            let last = seq + many as u64 - 1;
            // Without stored hashes, the last row can as well be taken for the first of these, changed.
            let near = if setting.hashes { seq } else { from };
            done(
                "delete",
                (seq, last),
                (near, last),
                &[Kind::Missing, Kind::Truncated, Kind::Changed],
            )
        }
        5 => {
            let copy = log.rows[dice.roll(count)].clone();
            if log.rows[at] == copy || at > 0 && log.rows[at - 1] == copy {
                log.rows.insert(at, copy);
                return done("double", (seq, seq + 1), (seq, seq + 1), &[Kind::Extra]);
            }
            log.rows.insert(at, copy);
            done("insert a copy", (seq, seq), (seq, seq), &[Kind::Extra])
        }
        6 => {
            let forged = match dice.roll(3) {
                0 => row(seq, "forged"),
                1 => b"garbage".to_vec(),
                _ => row(dice.roll(2 * count) as u64, "forged"),
            };
            log.rows.insert(at, forged);
            let within = (exact(seq).0.min(seq), exact(seq).1.max(seq + 1));
            done(
                "insert a forgery",
                (seq, seq + 1),
                within,
                &[Kind::Extra, Kind::Edited, Kind::Changed],
            )
        }
        7 => {
            let other = dice.roll(signed);
            log.rows.swap(at, other);
            let (low, high) = (seq.min(other as u64), seq.max(other as u64));
            if low == high {
                return mutate(4, log, setting, dice);
            }
            let moved = &[
                Kind::OutOfOrder,
                Kind::Edited,
                Kind::Changed,
                Kind::Missing,
                Kind::Extra,
                Kind::Truncated,
            ];
            let wide = (log.segment(low).0, log.segment(high).1 - 1);
            done(
                "swap",
                (low, high),
                if setting.hashes { (low, high) } else { wide },
                moved,
            )
        }
        8 => {
            log.cut(seq);
            done(
                "cut rows, hashes and checkpoints",
                (seq, seq),
                (seq, count as u64),
                &[Kind::Truncated],
            )
        }
        9 => {
            log.rows.truncate(at);
            done("cut rows", (seq, seq), (seq, count as u64), &[Kind::Truncated])
        }
        10 => {
            // A rollback to an old backup that then went on differently, signed with the stolen key.
            setting.held = vec![log.checkpoints.last().unwrap().clone()];
            for seq in at..count {
                log.rows[seq] = row(seq as u64, "history rewritten");
            }
            log.rehash();
            log.resign(&signer(1), ORIGIN);
            done(
                "rewrite and sign",
                (seq, seq),
                (0, signed as u64 - 1),
                &[Kind::Contradiction],
            )
        }
        11 => {
            let index = dice.roll(usize::try_from(stored_hash_index(0, signed as u64 - 1)).unwrap() + 1);
            let (level, n) = stored_hash_position(index as u64);
            let range = (n << level, ((n + 1) << level) - 1);
            setting.hashes = true;
            log.hashes[index] = if dice.roll(2) == 0 {
                None
            } else {
                Some(Hash([9; 32]))
            };
            done("damage a stored hash", range, range, &[Kind::StoredHash])
        }
        12 => {
            let which = dice.roll(log.checkpoints.len());
            let mut bytes = log.checkpoints[which].clone().into_bytes();
            let byte = dice.roll(bytes.len());
            bytes[byte] = if bytes[byte] == b'x' { b'y' } else { b'x' };
            log.checkpoints[which] = String::from_utf8_lossy(&bytes).into_owned();
            let size = log.sizes[which];
            done(
                "edit a checkpoint",
                (0, size - 1),
                (0, signed as u64),
                &[Kind::Checkpoint],
            )
        }
        _ => {
            let last = log.checkpoints.len() - 1;
            match dice.roll(4) {
                0 => log.checkpoints[last] = log.checkpoints[0].clone(),
                1 => log.resign(&signer(2), ORIGIN),
                2 => log.resign(&signer(1), "other.example/log"),
                _ => log.checkpoints.truncate(last),
            }
            if last == 0 && log.checkpoints == setting.held {
                log.checkpoints.push(setting.held[0].clone());
            }
            done(
                "swap the head or its key",
                (0, signed as u64),
                (0, signed as u64),
                &[Kind::Checkpoint],
            )
        }
    }
}
