//! `WWW-Authenticate` (RFC 9110, section 11.6.1) as far as it is about bearer tokens (RFC 6750; RFC 9728, section 5.1).

use super::scope::Scopes;

/// What a server asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BearerChallenge {
    /// Where its protected resource metadata is (RFC 9728). Not trusted.
    pub resource_metadata: Option<String>,
    /// The scopes the request needs; `None` when it does not say.
    pub scope: Option<Scopes>,
    /// `invalid_token`, `insufficient_scope` and the like.
    pub error: Option<String>,
}

/// The first `Bearer` challenge of these fields, if there is one that can be read.
#[must_use]
pub fn bearer_challenge(fields: &[impl AsRef<str>]) -> Option<BearerChallenge> {
    fields.iter().find_map(|field| {
        let challenges = Reader(field.as_ref()).challenges();
        let (_, params) = challenges
            .into_iter()
            .find(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))?;
        // Said twice, said by two people: neither is believed.
        let one = |name: &str| {
            let mut said = params
                .iter()
                .filter(|(param, _)| param.eq_ignore_ascii_case(name));
            let (_, value) = said.next()?;
            said.next().is_none().then(|| value.clone())
        };
        Some(BearerChallenge {
            resource_metadata: one("resource_metadata"),
            scope: one("scope").and_then(|text| Scopes::parse(&text)),
            error: one("error"),
        })
    })
}

type Challenges = Vec<(String, Vec<(String, String)>)>;

/// What is left to read.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    /// Reads as far as it can be read.
    fn challenges(mut self) -> Challenges {
        let mut all: Challenges = Vec::new();
        loop {
            self.0 = self.0.trim_start_matches([' ', '\t', ',']);
            let token = self.token();
            if token.is_empty() {
                return all;
            }
            let before = self.0;
            self.0 = self.0.trim_start_matches([' ', '\t']);
            if let Some((_, params)) = all.last_mut()
                && let Some(value) = self.value()
            {
                params.push((token.to_owned(), value));
                continue;
            }
            self.0 = before;
            all.push((token.to_owned(), Vec::new()));
            self.skip_token68();
        }
    }

    fn token(&mut self) -> &'a str {
        let part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.0.find(|c| !part(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        token
    }

    /// `= value`, where a value follows.
    fn value(&mut self) -> Option<String> {
        let rest = self.0.strip_prefix('=')?.trim_start_matches([' ', '\t']);
        let Some(quoted) = rest.strip_prefix('"') else {
            let mut inner = Reader(rest);
            let token = inner.token();
            if token.is_empty() {
                return None;
            }
            self.0 = inner.0;
            return Some(token.to_owned());
        };
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = quoted.get(at + 1..).unwrap_or_default();
                    return Some(value);
                }
                '\\' => value.push(chars.next()?.1),
                c => value.push(c),
            }
        }
        None
    }

    /// The credentials-like form of a challenge (`Negotiate abc==`) says nothing to us.
    fn skip_token68(&mut self) {
        let rest = self.0.trim_start_matches(' ');
        let part = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let after = rest.get(end..).unwrap_or_default();
        let padded = after.trim_start_matches('=');
        let ends = padded.trim_start().is_empty() || padded.trim_start().starts_with(',');
        if end > 0
            && ends
            && (after.len() != padded.len() || after.is_empty() || after.starts_with([',', ' ']))
        {
            self.0 = padded;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<BearerChallenge> {
        bearer_challenge(&[text])
    }

    #[test]
    fn what_servers_write() {
        let it = read(r#"Bearer error="insufficient_scope", scope="a b", resource_metadata="https://a.example/x", error_description="say \"please\"""#).unwrap();
        assert_eq!(it.error.as_deref(), Some("insufficient_scope"));
        assert_eq!(it.scope.unwrap().to_string(), "a b");
        assert_eq!(it.resource_metadata.as_deref(), Some("https://a.example/x"));
        assert_eq!(read("bearer"), Some(BearerChallenge::default()));
        assert_eq!(
            read("Negotiate abc==, Bearer error=invalid_token")
                .unwrap()
                .error
                .as_deref(),
            Some("invalid_token")
        );
        assert_eq!(
            read(r#"Basic realm="Bearer scope=x", Bearer scope = "y""#)
                .unwrap()
                .scope
                .unwrap()
                .to_string(),
            "y"
        );
        let two = [r#"Basic realm="x""#, r#"Bearer scope="z""#];
        assert!(bearer_challenge(&two).unwrap().scope.is_some());
    }

    #[test]
    fn what_is_said_twice_or_not_at_all_is_not_believed() {
        assert_eq!(
            read(r#"Bearer resource_metadata="https://a", resource_metadata="https://b""#),
            Some(BearerChallenge::default())
        );
        for none in [
            "",
            ",",
            "Basic",
            r#"Basic realm="Bearer""#,
            r#"DPoP algs="ES256""#,
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(
            read(r#"Bearer scope="unfinished"#),
            Some(BearerChallenge::default())
        );
    }

    proptest! {
        #[test]
        fn never_panics_and_always_ends(text in "[ -~]{0,80}") {
            let _ = read(&text);
        }
    }
}
