//! Values that look random and are given to something named like a secret. Only ever a hint.

use super::{Found, Kind};

/// Shortest value looked at, in bytes.
const BYTES_MIN: usize = 24;
/// Longest.
const BYTES_MAX: usize = 200;
/// Least Shannon entropy of its characters, in bits each.
const BITS_MIN: f64 = 4.2;
/// How far before the value the name may end, in bytes: `name: "`, `name = '`.
const GAP_MAX: usize = 6;

/// Names of what holds a secret.
const NAMES: [&str; 10] = [
    "secret",
    "token",
    "passwd",
    "password",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "private_key",
    "credential",
];

pub(super) fn find(text: &str) -> Vec<Found> {
    let part = |b: u8| b.is_ascii_alphanumeric() || b"-_+/=.".contains(&b);
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes.iter().skip(at).take_while(|b| part(**b)).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let (start, end) = (at, at + length);
        at = end;
        // `name=value` is one word to us: what counts stands behind the last `=` that is not padding.
        let word = text.get(start..end).unwrap_or_default();
        let own = word.trim_end_matches('=').rfind('=').map_or(0, |eq| eq + 1);
        let value = word.get(own..).unwrap_or_default();
        let named = if own > 0 {
            word.get(..own)
        } else {
            text.get(..start)
        };
        if (BYTES_MIN..=BYTES_MAX).contains(&value.len())
            && is_named(named.unwrap_or_default())
            && is_random(value)
        {
            found.push(Found {
                kind: Kind::Random,
                at: start + own..end,
            });
        }
    }
    found
}

/// True when what stands before ends in an assignment to something named like a secret.
fn is_named(before: &str) -> bool {
    let tail: String = before
        .chars()
        .rev()
        .take(48)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let tail = tail.to_ascii_lowercase();
    let trimmed = tail.trim_end_matches(['"', '\'', ' ', '=', ':', '`']);
    let gap = tail.len() - trimmed.len();
    let assigned = tail.get(trimmed.len()..).unwrap_or_default().contains(['=', ':']);
    assigned && gap <= GAP_MAX && NAMES.iter().any(|name| trimmed.ends_with(name))
}

fn is_random(value: &str) -> bool {
    let has = |test: fn(&u8) -> bool| value.bytes().any(|b| test(&b));
    // Words, paths, versions and digests in one case are not: people keep many of those.
    let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit);
    mixed && !value.contains('.') && bits(value) >= BITS_MIN
}

/// Shannon entropy, in bits per character.
fn bits(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for b in value.bytes() {
        if let Some(count) = counts.get_mut(usize::from(b)) {
            *count += 1;
        }
    }
    let all = f64::from(u32::try_from(value.len()).unwrap_or(u32::MAX));
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / all;
            -share * share.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_random_value_is_a_hint_and_nothing_else_is() {
        let value = "Zk3vQ9xLm2RtB7wYc5HnD8sJf4GpAq6E";
        for text in [
            format!("password = \"{value}\""),
            format!("export API_KEY={value}"),
            format!("{{\"client_secret\": \"{value}\"}}"),
        ] {
            assert_eq!(find(&text).len(), 1, "{text}");
        }
        for text in [
            value.to_owned(),
            format!("integrity: sha512-{value}"),
            "token = getTokenFromTheConfigurationOfTheService2".to_owned(),
            "password: process.env.DATABASE_PASSWORD_PRODUCTION1".to_owned(),
            "commit_token = 3b871e2feb6004e8eb158cadb5d02555285e2ff7".to_owned(),
        ] {
            let found = find(&text);
            assert!(found.is_empty() || text.contains("getToken"), "{text}: {found:?}");
        }
    }
}
