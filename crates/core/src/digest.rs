//! SHA-256 digests, written `sha-256:` + base64url without padding.

use std::fmt;

/// A SHA-256 digest (FIPS 180-4), 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts(&[bytes])
    }

    /// Digest of the concatenation of `parts`.
    #[must_use]
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for part in parts {
            context.update(part);
        }
        let mut out = [0_u8; 32];
        for (to, from) in out.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(out)
    }

    /// A digest computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A digest read back from a stored column of exactly 32 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        <[u8; 32]>::try_from(bytes).ok().map(Self)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the text form `sha-256:…`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix("sha-256:")?;
        let mut out = [0_u8; 32];
        let mut bits = 0_u32;
        let mut have = 0_u32;
        let mut at = 0_usize;
        if encoded.len() != 43 {
            return None;
        }
        for byte in encoded.bytes() {
            let value = ALPHABET.iter().position(|&letter| letter == byte)?;
            bits = (bits << 6) | u32::try_from(value).ok()?;
            have += 6;
            if have >= 8 {
                have -= 8;
                *out.get_mut(at)? = u8::try_from((bits >> have) & 0xff).ok()?;
                at += 1;
                bits &= (1 << have) - 1;
            }
        }
        (at == 32 && bits == 0).then_some(Self(out))
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha-256:")?;
        let mut bits = 0_u32;
        let mut have = 0_u32;
        for &byte in &self.0 {
            bits = (bits << 8) | u32::from(byte);
            have += 8;
            while have >= 6 {
                have -= 6;
                write_letter(f, (bits >> have) & 63)?;
            }
            bits &= (1 << have) - 1;
        }
        write_letter(f, (bits << (6 - have)) & 63)
    }
}

fn write_letter(f: &mut fmt::Formatter<'_>, value: u32) -> fmt::Result {
    let letter = ALPHABET.get(value as usize).copied().unwrap_or(b'?');
    fmt::Write::write_char(f, char::from(letter))
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.to_string(),
            "sha-256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
        );
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(Digest::parse("sha-256:"), None);
        assert_eq!(Digest::parse("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"), None);
    }
}
