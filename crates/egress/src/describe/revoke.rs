//! How what an operation mints is taken back, and how it is seen that it is dead (`[operations.revoke]`).

use remit_core::json::Value;

use super::file::RevokeFile;
use super::template::PathTemplate;

/// What takes a minted credential back, and the probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoke {
    /// The request that takes it back.
    pub call: Request,
    /// It is made with the minted credential itself; otherwise with the one the minting request was made with.
    pub with_minted: bool,
    /// A request with the minted credential.
    pub probe: Request,
    /// Answers to the probe that only a dead credential gets.
    pub dead: Vec<Dead>,
}

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `POST`, with an empty form.
    Post,
    /// `DELETE`.
    Delete,
}

impl Method {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    /// Reads it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Get, Self::Post, Self::Delete];
        all.into_iter().find(|method| method.as_str() == text)
    }
}

/// `METHOD /path/{name}`; a name is one of the operation's path, or a member of the answer (`data.id`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Named(String),
}

impl Request {
    fn parse(text: &str, methods: &[Method]) -> Result<Self, String> {
        let known = methods.iter().map(|method| method.as_str());
        let known = known.collect::<Vec<_>>().join(" or ");
        let (method, path) = text
            .split_once(' ')
            .ok_or_else(|| format!("`{text}` is no request: write `METHOD /path`"))?;
        let method = Method::parse(method)
            .filter(|method| methods.contains(method))
            .ok_or_else(|| format!("`{text}` is asked with `{method}`: use {known}"))?;
        let path = path
            .trim()
            .strip_prefix('/')
            .ok_or_else(|| format!("the path of `{text}` does not start with `/`"))?;
        let piece = |segment: &str| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !name.is_empty() && name.bytes().all(is_of_name) => {
                Ok(Piece::Named(name.to_owned()))
            }
            None if !segment.is_empty()
                && segment.bytes().all(is_plain)
                && !segment.bytes().all(|b| b == b'.') =>
            {
                Ok(Piece::Literal(segment.to_owned()))
            }
            _ => Err(format!(
                "`{text}` has the segment `{segment}`: use plain ones, and names of `A-Z a-z 0-9 _ .` in braces"
            )),
        };
        Ok(Self {
            method,
            pieces: path.split('/').map(piece).collect::<Result<_, _>>()?,
        })
    }

    /// The path with every name filled in.
    ///
    /// # Errors
    /// A sentence, when a name has no value that can stand in one segment.
    pub fn fill(&self, value_of: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let mut path = String::new();
        for piece in &self.pieces {
            path.push('/');
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::Named(name) => {
                    let value = value_of(name).filter(|value| !value.bytes().all(|b| b == b'.'));
                    let value = value.ok_or_else(|| format!("there is no `{name}` for it"))?;
                    for byte in value.bytes() {
                        if is_plain(byte) {
                            path.push(char::from(byte));
                        } else {
                            path.push_str(&format!("%{byte:02X}"));
                        }
                    }
                }
            }
        }
        Ok(path)
    }

    /// As it was written.
    fn text(&self) -> String {
        let mut text = format!("{} ", self.method.as_str());
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(&format!("/{literal}")),
                Piece::Named(name) => text.push_str(&format!("/{{{name}}}")),
            }
        }
        text
    }
}

/// Unreserved characters (RFC 3986, 2.3).
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}

/// An answer that only a dead credential gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dead {
    /// This status.
    Status(u16),
    /// This text at a member of a JSON answer, with any status.
    Member(String, String),
}

impl Dead {
    /// `401`, or `error=token_revoked`.
    ///
    /// # Errors
    /// A sentence with what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some((name, value)) = text.split_once('=')
            && !name.is_empty()
            && name.bytes().all(is_of_name)
            && !value.is_empty()
        {
            return Ok(Self::Member(name.to_owned(), value.to_owned()));
        }
        let status = text.parse().ok().filter(|status| (400..500).contains(status));
        status.map(Self::Status).ok_or_else(|| {
            format!(
                "`dead` holds `{text}`: write a status from 400 to 499, or `member=value` of a JSON answer"
            )
        })
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            Self::Member(name, value) => format!("{name}={value}"),
        }
    }

    /// True for such an answer.
    #[must_use]
    pub fn is(&self, status: u16, body: Option<&Value>) -> bool {
        match self {
            Self::Status(dead) => *dead == status,
            Self::Member(name, value) => body.and_then(|body| member(body, name)).as_ref() == Some(value),
        }
    }
}

/// The text or whole number at a member of an answer; members of members behind a dot.
#[must_use]
pub fn member(answer: &Value, name: &str) -> Option<String> {
    let mut value = answer;
    for part in name.split('.') {
        value = value.get(part)?;
    }
    match value {
        Value::String(text) => Some(text.clone()),
        value => value.as_i64().map(|number| number.to_string()),
    }
}

impl Revoke {
    pub(super) fn compile(file: &RevokeFile) -> Result<Self, String> {
        let with_minted = match file.with.as_deref() {
            None | Some("caller") => false,
            Some("minted") => true,
            Some(other) => return Err(format!("`with` is `{other}`: use caller or minted")),
        };
        let dead = match file.dead.as_slice() {
            // Whom it is refused to for want of a right lives on (RFC 9110, 15.5.2 and 15.5.4).
            [] => vec![Dead::Status(401)],
            written => written
                .iter()
                .map(|text| Dead::parse(text))
                .collect::<Result<_, _>>()?,
        };
        Ok(Self {
            call: Request::parse(&file.call, &[Method::Delete, Method::Post])?,
            with_minted,
            probe: Request::parse(&file.probe, &[Method::Get, Method::Post])?,
            dead,
        })
    }

    /// Where a name is looked for: the path of the operation first.
    #[must_use]
    pub fn is_of_path(path: &PathTemplate, name: &str) -> bool {
        path.names().any(|known| known == name)
    }

    /// Both requests as they are written, for the tool's definition.
    pub(super) fn texts(&self) -> [String; 2] {
        [self.call.text(), self.probe.text()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(text: &str) -> Result<Revoke, String> {
        Revoke::compile(&toml::from_str(text).map_err(|error| error.to_string())?)
    }

    #[test]
    fn names_are_filled_in_as_one_segment_each() {
        let revoke = compiled("call = 'DELETE /p/{project}/t/{data.id}'\nprobe = 'GET /self'").unwrap();
        assert_eq!(
            (revoke.with_minted, revoke.dead.as_slice()),
            (false, &[Dead::Status(401)][..])
        );
        let fill = |project: &str, id: Option<&str>| {
            revoke.call.fill(|name| match name {
                "project" => Some(project.to_owned()),
                _ => id.map(str::to_owned),
            })
        };
        assert_eq!(fill("acme/web", Some("7")).unwrap(), "/p/acme%2Fweb/t/7");
        assert_eq!(fill("a?b#c%", Some("é")).unwrap(), "/p/a%3Fb%23c%25/t/%C3%A9");
        for (project, id) in [("..", Some("7")), ("", Some("7")), ("a", None)] {
            assert!(fill(project, id).is_err(), "{project} {id:?}");
        }
    }

    #[test]
    fn what_is_dead_is_said_exactly() {
        let revoke = compiled(
            "call = 'POST /auth.revoke'\nwith = 'minted'\nprobe = 'POST /auth.test'\ndead = ['401', 'error=token_revoked', 'a.b=7']",
        )
        .unwrap();
        let parse = |text: &str| {
            remit_core::json::parse(text.as_bytes(), &remit_core::json::Bounds::RESPONSE).unwrap()
        };
        let is_dead = |status, body: &str| {
            let body = parse(body);
            revoke.dead.iter().any(|dead| dead.is(status, Some(&body)))
        };
        assert!(is_dead(401, "{}") && is_dead(200, r#"{"ok":false,"error":"token_revoked"}"#));
        assert!(is_dead(200, r#"{"a":{"b":7}}"#));
        assert!(!is_dead(200, r#"{"ok":false,"error":"internal_error"}"#) && !is_dead(403, "[]"));
        for bad in [
            "call = 'GET /x'\nprobe = 'GET /y'",
            "call = 'DELETE /x'\nprobe = 'DELETE /y'",
            "call = 'DELETE x'\nprobe = 'GET /y'",
            "call = 'DELETE /a/../b'\nprobe = 'GET /y'",
            "call = 'DELETE /a/{b}c'\nprobe = 'GET /y'",
            "call = 'DELETE /a?b'\nprobe = 'GET /y'",
            "call = 'DELETE /a'\nprobe = 'GET /y'\ndead = ['200']",
            "call = 'DELETE /a'\nprobe = 'GET /y'\nwith = 'luck'",
            "call = 'DELETE /a'",
        ] {
            assert!(compiled(bad).is_err(), "{bad}");
        }
    }
}
