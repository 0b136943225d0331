//! git's smart HTTP (gitprotocol-http, gitprotocol-pack), read down to the refs a push would move.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use remit_core::json::{Object, Value};
use remit_core::name::Name;

use super::pack::{self, Ancestry};
use super::{Head, Reading, common};
use crate::describe::{BodyKind, Operation, System};
use crate::refusal::{Refusal, shown};
use crate::spool::Spooled;

/// Most refs one push may move.
const COMMANDS_MAX: usize = 1000;

const FETCH_REFS: &str = "git.fetch_refs";
const FETCH: &str = "git.fetch";
const PUSH_REFS: &str = "git.push_refs";
const PUSH: &str = "git.push";
const REWRITE: &str = "git.push_rewrite";
const DELETE: &str = "git.push_delete";

/// The operations of git on a system.
///
/// # Errors
/// A sentence, when the path of a repository cannot be used.
pub fn operations(system: &Name, repository: &str) -> Result<Vec<Operation>, String> {
    let make = |name: &str, class: &str, irreversible: bool, description: &str| {
        let mut operation = crate::describe::compile_operation(
            system,
            &crate::describe::OperationFile {
                name: name.to_owned(),
                call: format!("GIT {repository}"),
                description: description.to_owned(),
                class: class.to_owned(),
                irreversible,
                body: Some("digest".to_owned()),
                ..Default::default()
            },
        )?;
        operation.body = BodyKind::Digest;
        Ok::<_, String>(operation)
    };
    Ok(vec![
        make(FETCH_REFS, "read", false, "git: list refs before a fetch")?,
        make(FETCH, "read", false, "git: fetch objects")?,
        make(PUSH_REFS, "read", false, "git: list refs before a push")?,
        make(PUSH, "write", false, "git: create refs, or move them forward")?,
        make(
            REWRITE,
            "delete",
            true,
            "git: move refs to commits that are not shown to follow the old ones (force)",
        )?,
        make(DELETE, "delete", true, "git: delete refs")?,
    ])
}

/// Reads a request of git; `None` when it is none.
pub(super) fn read(system: &System, head: &Head, body: &Spooled) -> Result<Option<Reading>, Refusal> {
    let Some(git) = &system.git else { return Ok(None) };
    if !super::at(git.host.as_ref(), head) {
        return Ok(None);
    }
    let segments = head.target.segments();
    let (front, route): (&[String], &str) = match segments {
        [front @ .., info, refs] if info == "info" && refs == "refs" => (front, "refs"),
        [front @ .., last] if last == "git-upload-pack" || last == "git-receive-pack" => {
            (front, last.as_str())
        }
        _ => return Ok(None),
    };
    let mut repository: Vec<String> = front.to_vec();
    if let Some(last) = repository.last_mut()
        && let Some(name) = last.strip_suffix(".git")
    {
        *last = name.to_owned();
    }
    let Some(path) = git.repository.matches_segments(&repository) else {
        return Ok(None);
    };
    let mut said = Object::new();
    let mut refs = Vec::new();
    let name = match (head.method.as_str(), route) {
        ("GET", "refs") => match head.target.parameter("service") {
            Some(service @ "git-upload-pack") => {
                said.insert("service", service);
                FETCH_REFS
            }
            Some(service @ "git-receive-pack") => {
                said.insert("service", service);
                PUSH_REFS
            }
            _ => {
                return Err(Refusal::opaque(
                    "git's old \"dumb\" protocol is not decided: use a current git",
                ));
            }
        },
        ("POST", "git-upload-pack") => {
            said.insert("service", route);
            FETCH
        }
        ("POST", "git-receive-pack") => {
            said.insert("service", route);
            let push = push(body)?;
            refs = push.all();
            let name = push.name();
            for (at, list) in [
                ("created", push.created),
                ("updated", push.updated),
                ("rewritten", push.rewritten),
                ("deleted", push.deleted),
            ] {
                if !list.is_empty() {
                    said.insert(at, list.into_iter().map(Value::from).collect::<Vec<_>>());
                }
            }
            name
        }
        (method, _) => return Err(Refusal::opaque(format!("git does not send {}", shown(method)))),
    };
    if route == "refs" && !body.is_empty() {
        return Err(Refusal::opaque("a body came with a request of git that has none"));
    }
    let mut arguments = common(system, head, &path);
    arguments.insert("git", said);
    if !body.is_empty() {
        arguments.insert("body_sha256", body.sha256());
        arguments.insert("body_bytes", i64::try_from(body.len()).unwrap_or(i64::MAX));
    }
    arguments.insert("resources", touched(git.repository.names(), &path, &refs));
    let name = name
        .parse()
        .map_err(|_| Refusal::unknown("no such operation of git"))?;
    Ok(Some(Reading {
        operation: name,
        arguments,
        lookup: None,
    }))
}

fn touched<'a>(
    names: impl Iterator<Item = &'a str>,
    path: &BTreeMap<String, String>,
    refs: &[String],
) -> Vec<Value> {
    let parts: Vec<&str> = names
        .filter_map(|name| path.get(name))
        .map(String::as_str)
        .collect();
    let repository = parts.join("/");
    if refs.is_empty() {
        return vec![repository.into()];
    }
    refs.iter()
        .map(|name| format!("{repository}/{name}").into())
        .collect()
}

/// What a push would do to refs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Push {
    created: Vec<String>,
    updated: Vec<String>,
    rewritten: Vec<String>,
    deleted: Vec<String>,
}

impl Push {
    fn all(&self) -> Vec<String> {
        [&self.created, &self.updated, &self.rewritten, &self.deleted]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    const fn name(&self) -> &'static str {
        if !self.deleted.is_empty() {
            DELETE
        } else if !self.rewritten.is_empty() {
            REWRITE
        } else {
            PUSH
        }
    }
}

/// One command of a push.
struct Command {
    old: [u8; 20],
    new: [u8; 20],
    name: String,
}

fn push(body: &Spooled) -> Result<Push, Refusal> {
    let mut reader = body
        .reader()
        .map_err(|error| Refusal::opaque(format!("the push cannot be read: {error}")))?;
    let (commands, push_options) = commands(&mut reader)?;
    if push_options {
        while let Some(line) = packet(&mut reader)? {
            drop(line);
        }
    }
    let is_update = |c: &Command| c.old != [0; 20] && c.new != [0; 20];
    let ancestry = if commands.iter().any(is_update) {
        pack::read(&mut reader)
    } else {
        Ancestry::default()
    };
    let mut push = Push::default();
    for command in commands {
        let list = match (command.old == [0; 20], command.new == [0; 20]) {
            (true, true) => {
                return Err(Refusal::opaque(
                    "a command of the push creates and deletes at once",
                ));
            }
            (true, false) => &mut push.created,
            (false, true) => &mut push.deleted,
            (false, false)
                if !command.name.starts_with("refs/tags/") && ancestry.follows(command.new, command.old) =>
            {
                &mut push.updated
            }
            (false, false) => &mut push.rewritten,
        };
        list.push(command.name);
    }
    Ok(push)
}

/// Shows what the objects of a push hold, piece by piece, as far as it can be read; an empty piece stands between two of
/// them. Nothing when it is no push.
pub fn contents(body: &Spooled, show: &mut dyn FnMut(&[u8])) {
    let Ok(mut reader) = body.reader() else { return };
    let Ok((_, push_options)) = commands(&mut reader) else {
        return;
    };
    if push_options {
        while let Ok(Some(line)) = packet(&mut reader) {
            drop(line);
        }
    }
    pack::contents(&mut reader, show);
}

/// The commands of a push, and whether push options follow.
fn commands(reader: &mut impl BufRead) -> Result<(Vec<Command>, bool), Refusal> {
    let mut commands: Vec<Command> = Vec::new();
    let mut options = false;
    while let Some(line) = packet(reader)? {
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        if line.starts_with(b"shallow ") {
            continue;
        }
        if line.starts_with(b"push-cert") {
            return Err(Refusal::opaque(
                "a signed push hides its commands in a certificate: push unsigned",
            ));
        }
        let (command, capabilities) = match line.iter().position(|&b| b == 0) {
            Some(at) => (
                line.get(..at).unwrap_or_default(),
                line.get(at + 1..).unwrap_or_default(),
            ),
            None => (line, &b""[..]),
        };
        let capabilities = String::from_utf8_lossy(capabilities);
        let mut words = capabilities.split_ascii_whitespace();
        if words.any(|word| word == "object-format=sha256") {
            return Err(Refusal::opaque(
                "a repository with SHA-256 objects is not read yet",
            ));
        }
        options |= capabilities
            .split_ascii_whitespace()
            .any(|word| word == "push-options");
        let text =
            std::str::from_utf8(command).map_err(|_| Refusal::opaque("a ref of the push is not UTF-8"))?;
        let mut parts = text.splitn(3, ' ');
        let (old, new, name) = (
            parts.next().and_then(oid),
            parts.next().and_then(oid),
            parts.next(),
        );
        let (Some(old), Some(new), Some(name)) = (old, new, name) else {
            return Err(Refusal::opaque(format!(
                "`{}` is no command of a push",
                shown(text)
            )));
        };
        if !name.starts_with("refs/") || commands.iter().any(|before| before.name == name) {
            return Err(Refusal::opaque(format!(
                "the push names the ref `{}`, or names it twice",
                shown(name)
            )));
        }
        if commands.len() == COMMANDS_MAX {
            return Err(Refusal::opaque(format!(
                "the push moves more than {COMMANDS_MAX} refs"
            )));
        }
        commands.push(Command {
            old,
            new,
            name: name.to_owned(),
        });
    }
    Ok((commands, options))
}

/// One pkt-line; `None` for a flush.
fn packet(reader: &mut impl Read) -> Result<Option<Vec<u8>>, Refusal> {
    let broken = || Refusal::opaque("the push is cut off or not in git's packet form");
    let mut length = [0; 4];
    reader.read_exact(&mut length).map_err(|_| broken())?;
    let text = std::str::from_utf8(&length).map_err(|_| broken())?;
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(broken());
    }
    match usize::from_str_radix(text, 16).map_err(|_| broken())? {
        0 => Ok(None),
        length @ 4.. => {
            let mut line = vec![0; length - 4];
            reader.read_exact(&mut line).map_err(|_| broken())?;
            Ok(Some(line))
        }
        _ => Err(broken()),
    }
}

/// An object id in hexadecimal.
pub(super) fn oid(text: &str) -> Option<[u8; 20]> {
    if text.len() != 40 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut id = [0; 20];
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(id)
}
