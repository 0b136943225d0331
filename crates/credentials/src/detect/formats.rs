//! Forms of credentials that their issuers made to be recognised.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::{Found, Kind, PLACEHOLDER};

/// What may follow a prefix.
#[derive(Clone, Copy)]
enum Alphabet {
    /// `A-Z a-z 0-9`
    Alphanumeric,
    /// `A-Z a-z 0-9 - _`
    Base64Url,
    /// `A-Z a-z 0-9 - _ .`
    Dotted,
    /// `A-Z 2-7 0-9`
    Upper,
    /// `0-9 a-f`
    Hex,
}

impl Alphabet {
    const fn has(self, b: u8) -> bool {
        match self {
            Self::Alphanumeric => b.is_ascii_alphanumeric(),
            Self::Base64Url => b.is_ascii_alphanumeric() || b == b'-' || b == b'_',
            Self::Dotted => b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b == b'.',
            Self::Upper => b.is_ascii_uppercase() || b.is_ascii_digit(),
            Self::Hex => b.is_ascii_digit() || matches!(b, b'a'..=b'f'),
        }
    }
}

/// One form: prefix, what follows, how long it is (least, most), and what more it has to be.
struct Form {
    prefix: &'static str,
    what: &'static str,
    alphabet: Alphabet,
    length: (usize, usize),
    check: fn(&str) -> bool,
}

const fn form(
    prefix: &'static str,
    what: &'static str,
    alphabet: Alphabet,
    least: usize,
    most: usize,
) -> Form {
    Form {
        prefix,
        what,
        alphabet,
        length: (least, most),
        check: varied,
    }
}

use Alphabet::{Alphanumeric, Base64Url, Dotted, Hex, Upper};

static FORMS: [Form; 29] = [
    Form {
        prefix: PLACEHOLDER,
        what: "",
        alphabet: Hex,
        length: (32, 32),
        check: |_| true,
    },
    Form {
        check: checksummed,
        ..form("ghp_", "GitHub token", Alphanumeric, 36, 36)
    },
    Form {
        check: checksummed,
        ..form("gho_", "GitHub token", Alphanumeric, 36, 36)
    },
    Form {
        check: checksummed,
        ..form("ghu_", "GitHub token", Alphanumeric, 36, 36)
    },
    Form {
        check: checksummed,
        ..form("ghs_", "GitHub token", Alphanumeric, 36, 36)
    },
    Form {
        check: checksummed,
        ..form("ghr_", "GitHub token", Alphanumeric, 36, 36)
    },
    form("github_pat_", "GitHub token", Base64Url, 82, 82),
    form("glpat-", "GitLab token", Base64Url, 20, 64),
    form("xoxb-", "Slack token", Base64Url, 30, 200),
    form("xoxp-", "Slack token", Base64Url, 30, 200),
    form("xapp-", "Slack token", Base64Url, 30, 200),
    form("sk_live_", "Stripe key", Alphanumeric, 24, 200),
    form("rk_live_", "Stripe key", Alphanumeric, 24, 200),
    form("whsec_", "Stripe key", Alphanumeric, 32, 64),
    form("AKIA", "AWS access key id", Upper, 16, 16),
    form("ASIA", "AWS access key id", Upper, 16, 16),
    form("AIza", "Google API key", Base64Url, 35, 35),
    form("ya29.", "Google access token", Base64Url, 40, 2048),
    form("GOCSPX-", "Google client secret", Base64Url, 28, 28),
    form("sk-ant-", "Anthropic key", Base64Url, 80, 200),
    form("sk-proj-", "OpenAI key", Base64Url, 40, 200),
    form("hvs.", "Vault token", Base64Url, 24, 400),
    form("npm_", "npm token", Alphanumeric, 36, 36),
    form("pypi-AgEIcHlwaS5vcmc", "PyPI token", Base64Url, 50, 400),
    form("dop_v1_", "DigitalOcean token", Hex, 64, 64),
    form("SG.", "SendGrid key", Dotted, 66, 66),
    form("shpat_", "Shopify token", Hex, 32, 32),
    form("eyJ", "JSON Web Token", Dotted, 60, 8192),
    form("-----BEGIN ", "private key", Alphanumeric, 0, 0),
];

static PREFIXES: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(FORMS.iter().map(|form| form.prefix)).ok());

/// Values of one run of characters that are looked at: a run of nothing but prefixes must not cost its square.
const TRIES_MAX: u32 = 32;

/// The characters behind a prefix that belong to its form, counted once however many prefixes stand among them.
#[derive(Clone, Copy, Default)]
struct Run {
    end: usize,
    tries: u32,
}

/// Everything in a known form.
pub(super) fn find(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut runs = [Run::default(); FORMS.len()];
    let Some(prefixes) = PREFIXES.as_ref() else {
        return found;
    };
    let bytes = text.as_bytes();
    for start in prefixes.find_overlapping_iter(bytes) {
        let which = start.pattern().as_usize();
        let (Some(form), Some(run)) = (FORMS.get(which), runs.get_mut(which)) else {
            continue;
        };
        let inside = found.last().is_some_and(|last| start.start() < last.at.end);
        let before = start.start().checked_sub(1).and_then(|at| bytes.get(at));
        // Within a longer word it is part of that word.
        let glued = before.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if inside || (glued && form.prefix != PLACEHOLDER) {
            continue;
        }
        let rest = text.get(start.end()..).unwrap_or_default();
        if form.prefix.starts_with("-----") {
            found.extend(private_key(text, start.start(), rest));
            continue;
        }
        if run.end < start.end() {
            let length = rest.bytes().take_while(|b| form.alphabet.has(*b)).count();
            *run = Run {
                end: start.end() + length,
                tries: 0,
            };
        }
        let length = run.end - start.end();
        let (least, most) = form.length;
        // A placeholder is one with whatever stands behind it, so that nothing hides it.
        let length = if form.prefix == PLACEHOLDER {
            length.min(most)
        } else {
            length
        };
        if !(least..=most).contains(&length) || (form.prefix != PLACEHOLDER && run.tries == TRIES_MAX) {
            continue;
        }
        run.tries += 1;
        let value = rest.get(..length).unwrap_or_default();
        if (form.check)(value) && (form.prefix != "eyJ" || is_jwt(value)) {
            let kind = if form.prefix == PLACEHOLDER {
                Kind::Placeholder
            } else {
                Kind::Known(form.what)
            };
            found.push(Found {
                kind,
                at: start.start()..start.end() + length,
            });
        }
    }
    found
}

/// Documentation writes `ghp_xxxxxxxx`; a credential has many different characters.
fn varied(value: &str) -> bool {
    let mut seen = [false; 128];
    for b in value.bytes() {
        if let Some(seen) = seen.get_mut(usize::from(b)) {
            *seen = true;
        }
    }
    let different = seen.iter().filter(|seen| **seen).count();
    different >= 8.min(value.len() / 2) && !value.to_ascii_lowercase().contains("example")
}

/// GitHub's tokens end in the CRC-32 of what stands before, in base 62.
fn checksummed(value: &str) -> bool {
    let Some((body, check)) = value.split_at_checked(30) else {
        return false;
    };
    let mut crc = crc32(body.as_bytes());
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut expected = [b'0'; 6];
    for place in expected.iter_mut().rev() {
        *place = digits.get((crc % 62) as usize).copied().unwrap_or(b'0');
        crc /= 62;
    }
    expected == check.as_bytes()
}

/// CRC-32 (ISO-HDLC), bit by bit: it reads thirty bytes.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for b in bytes {
        crc ^= u32::from(*b);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

/// Three parts, the last one a signature: what is unsigned proves nothing to anybody.
fn is_jwt(value: &str) -> bool {
    let parts: Vec<&str> = value.trim_end_matches('.').split('.').collect();
    matches!(parts.as_slice(), [_, payload, signature] if payload.starts_with("eyJ") && signature.len() >= 40)
}

/// Bytes that stand inside a private key, between its lines and in its headers.
fn inside_key(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b.is_ascii_whitespace() || b"+/=\\:,-".contains(&b)
}

/// Longest first line of a key, and longest key, in bytes.
const HEAD_BYTES_MAX: usize = 48;
const KEY_BYTES_MAX: usize = 64 * 1024;

/// `-----BEGIN … PRIVATE KEY-----` and what follows, if that is a key and not an ellipsis. Its end may be missing: a key
/// that is cut short is most of a key.
fn private_key(text: &str, start: usize, rest: &str) -> Option<Found> {
    let line = rest
        .bytes()
        .take(HEAD_BYTES_MAX)
        .take_while(|b| !b"\n\\".contains(b));
    let line = rest.get(..line.count()).unwrap_or_default();
    let head = line.find("PRIVATE KEY-----").filter(|at| *at <= 20)? + "PRIVATE KEY-----".len();
    let body = rest.get(head..)?;
    // Between two literals of a program stands code, and no key.
    let length = body
        .bytes()
        .take(KEY_BYTES_MAX)
        .take_while(|b| inside_key(*b))
        .count();
    let body = body.get(..length)?;
    let length = body.find("-----END ").unwrap_or(length);
    let key = body
        .bytes()
        .take(length)
        .filter(u8::is_ascii_alphanumeric)
        .count();
    let end = start + "-----BEGIN ".len() + head + length;
    (key >= 60 && end <= text.len()).then_some(Found {
        kind: Kind::Known("private key"),
        at: start..end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that looks like one and is none: 62 characters in a row, repeated.
    fn filler(length: usize) -> String {
        let all = "Zk3vQ9xLm2RtB7wYc5HnD8sJf4GpAq6EuTiV1oXyKb0";
        all.chars().cycle().take(length).collect()
    }

    fn kinds(text: &str) -> Vec<Kind> {
        find(text).into_iter().map(|one| one.kind).collect()
    }

    fn github(body: &str) -> String {
        let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut crc = crc32(body.as_bytes());
        let mut check = [b'0'; 6];
        for place in check.iter_mut().rev() {
            *place = digits[(crc % 62) as usize];
            crc /= 62;
        }
        format!("ghp_{body}{}", std::str::from_utf8(&check).unwrap())
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it is real time that is looked at")]
    fn a_text_of_nothing_but_prefixes_costs_no_square() {
        let started = std::time::Instant::now();
        for one in [
            "eyJ-",
            "hvs.",
            "-----BEGIN PRIVATE KEY-----*",
            "-----BEGIN ",
            "SG.-",
        ] {
            assert_eq!(kinds(&one.repeat(1_000_000 / one.len())), [], "{one}");
        }
        let hidden = format!("{} {}", "eyJ-".repeat(1000), github(&filler(30)));
        assert_eq!(kinds(&hidden), [Kind::Known("GitHub token")]);
        // Seconds where each prefix counted what follows it; milliseconds now, on whatever machine.
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }

    #[test]
    fn the_crc_is_the_standard_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn known_forms_in_their_surroundings() {
        for (text, what) in [
            (github(&filler(30)), "GitHub token"),
            (format!("github_pat_{}", filler(82)), "GitHub token"),
            (format!("glpat-{}", filler(20)), "GitLab token"),
            (format!("xoxb-{}", filler(50)), "Slack token"),
            (format!("sk_live_{}", filler(24)), "Stripe key"),
            (format!("AKIA{}", "QX7RZ2MWK5TBN4YH"), "AWS access key id"),
            (format!("AIza{}", filler(35)), "Google API key"),
            (format!("sk-ant-{}", filler(95)), "Anthropic key"),
            (format!("hvs.{}", filler(90)), "Vault token"),
            (format!("npm_{}", filler(36)), "npm token"),
            (
                format!("eyJ{}.eyJ{}.{}", filler(30), filler(60), filler(86)),
                "JSON Web Token",
            ),
            (
                format!(
                    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
                    filler(160)
                ),
                "private key",
            ),
            (
                format!(
                    "-----BEGIN RSA PRIVATE KEY-----\\n{}\\n-----END RSA PRIVATE KEY-----",
                    filler(900)
                ),
                "private key",
            ),
        ] {
            for around in [
                text.clone(),
                format!("curl -H 'Authorization: Bearer {text}' x"),
                format!("{{\"k\":\"{text}\"}}"),
                format!("a={text}&b=c"),
            ] {
                assert_eq!(kinds(&around), [Kind::Known(what)], "{around}");
            }
        }
    }

    #[test]
    fn placeholders_are_found_wherever_they_hide() {
        let one = format!("{PLACEHOLDER}{}", "0123456789abcdef0123456789abcdef");
        for text in [
            one.clone(),
            format!("x{one}y"),
            format!("_{one}ff"),
            format!("{one}{one}"),
        ] {
            let found = kinds(&text);
            assert!(
                !found.is_empty() && found.iter().all(|k| *k == Kind::Placeholder),
                "{text}"
            );
        }
    }

    #[test]
    fn what_only_looks_like_it_is_left_alone() {
        for text in [
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".to_owned(),
            // Right form, wrong checksum.
            format!("ghp_{}", filler(36)),
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            "AKIAAAAAAAAAAAAAAAAA".to_owned(),
            "sk_live_...".to_owned(),
            "sk_test_abcdefghijklmnopqrstuvwx".to_owned(),
            "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----".to_owned(),
            "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"
                .to_owned(),
            format!("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.{}", ""),
            format!("disk_live_{}", filler(24)),
            format!(
                "(\"-----BEGIN PRIVATE KEY-----\", a) // {} \"-----END PRIVATE KEY-----\"",
                filler(200)
            ),
            "3b871e2feb6004e8eb158cadb5d02555285e2ff7".to_owned(),
        ] {
            assert_eq!(kinds(&text), [], "{text}");
        }
    }
}
