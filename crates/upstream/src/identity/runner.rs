//! Programs that run other programs: which script or package a command line stands for, and whether it is pinned.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{absolute, program_name, text};

/// What stands behind a command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Files with code that the line names.
    pub(super) scripts: Vec<PathBuf>,
    /// A package with its exact version.
    pub(super) package: Option<String>,
    /// Why it is not pinned.
    pub(super) floating: Option<String>,
}

impl Found {
    fn floating(why: String) -> Self {
        Self {
            floating: Some(why),
            ..Self::default()
        }
    }
}

/// Words that follow a runner and mean "fetch and run".
const FETCHES: [(&str, &[&str]); 5] = [
    ("npm", &["exec", "x"]),
    ("pnpm", &["dlx"]),
    ("yarn", &["dlx"]),
    ("bun", &["x"]),
    ("pipx", &["run"]),
];

pub(super) fn examine(executable: &Path, args: &[OsString], cwd: Option<&Path>) -> Found {
    let program = program_name(executable);
    let words: Vec<String> = args.iter().map(|arg| text(arg)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match program.as_str() {
        "npx" | "bunx" | "pnpx" => return fetched(&program, &words, npm_pin),
        "uvx" => return fetched(&program, &words, python_pin),
        "docker" | "podman" | "nerdctl" => return image(&program, &words),
        "uv" => {
            return match words.as_slice() {
                ["tool", "run", rest @ ..] => fetched("uv tool run", rest, python_pin),
                _ => Found::floating(format!("`{program}` decides at start what it runs")),
            };
        }
        _ => {}
    }
    if let Some((_, verbs)) = FETCHES.iter().find(|(name, _)| *name == program) {
        if let Some((verb, rest)) = words.split_first()
            && verbs.contains(verb)
        {
            let pin = if program == "pipx" { python_pin } else { npm_pin };
            return fetched(&format!("{program} {verb}"), rest, pin);
        }
        if program != "bun" {
            return Found::floating(format!("`{program}` decides at start what it runs"));
        }
    }
    match program.as_str() {
        "node" | "nodejs" | "bun" | "deno" | "tsx" | "ts-node" | "python" | "pythonw" | "pypy" | "ruby"
        | "perl" | "php" | "bash" | "sh" | "dash" | "zsh" => script(&program, args, cwd),
        "java" => Found::floating("the classes `java` loads are not checked".to_owned()),
        _ => Found::default(),
    }
}

/// An interpreter: the files its line names, up to the script.
fn script(program: &str, args: &[OsString], cwd: Option<&Path>) -> Found {
    let mut found = Found::default();
    let mut words = args.iter().peekable();
    while let Some(word) = words.next() {
        let written = text(word);
        let python_module =
            program.starts_with("py") && written.starts_with("-m") && !written.starts_with("--");
        if python_module {
            let inline = written.trim_start_matches("-m").to_owned();
            let module = if inline.is_empty() {
                words.peek().map(|w| text(w)).unwrap_or_default()
            } else {
                inline
            };
            found.floating = Some(format!("`{program}` looks up the module `{module}` at start"));
            return found;
        }
        if matches!(written.as_str(), "-c" | "-e" | "--eval" | "-p" | "--print") {
            // The code is in the line itself, which the identity covers.
            return found;
        }
        // An option may carry a file with code: `--import=./hook.mjs`, `-r ./hook.js`.
        let value = written.split_once('=').filter(|_| written.starts_with('-'));
        let candidate = value.map_or(word.as_os_str(), |(_, value)| OsStr::new(value));
        let file = absolute(Path::new(candidate), cwd).filter(|path| path.is_file());
        let is_option = written.starts_with('-');
        if let Some(file) = file {
            found.scripts.push(file);
            let after_option = matches!(
                preceding(args, word),
                Some(
                    "-r" | "--require"
                        | "--import"
                        | "--loader"
                        | "--experimental-loader"
                        | "--env-file"
                        | "-W"
                        | "-X"
                )
            );
            if !is_option && !after_option {
                return found;
            }
        } else if !is_option && looks_like_script(&written) {
            found.floating = Some(format!("the script `{written}` is not there yet"));
            return found;
        }
    }
    if found.scripts.is_empty() {
        found.floating = Some(format!(
            "no script that `{program}` runs was found in its arguments"
        ));
    }
    found
}

fn preceding<'a>(args: &'a [OsString], word: &OsString) -> Option<&'a str> {
    let at = args.iter().position(|other| std::ptr::eq(other, word))?;
    args.get(at.checked_sub(1)?)?.to_str()
}

fn looks_like_script(word: &str) -> bool {
    [".js", ".mjs", ".cjs", ".ts", ".py", ".rb", ".pl", ".sh", ".php"]
        .iter()
        .any(|ending| word.ends_with(ending))
}

/// A runner that fetches a package: the first word that is no option, or what `--package`/`--from` names.
fn fetched(runner: &str, words: &[&str], pin: fn(&str) -> bool) -> Found {
    let mut words = words.iter();
    let mut packages: Vec<&str> = Vec::new();
    let mut first = None;
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some(("--package" | "--from" | "--with" | "--spec", package)) => packages.push(package),
            _ if matches!(*word, "-p" | "--package" | "--from" | "--with" | "--spec") => {
                packages.extend(words.next());
            }
            _ if matches!(
                *word,
                "--python" | "-c" | "--call" | "--index-url" | "--prefix" | "--cache"
            ) =>
            {
                words.next();
            }
            _ if word.starts_with('-') => {}
            _ => {
                first = Some(*word);
                break;
            }
        }
    }
    if packages.is_empty() {
        packages.extend(first);
    }
    match packages.iter().find(|package| !pin(package)) {
        _ if packages.is_empty() => Found::floating(format!("`{runner}` names no package")),
        Some(loose) => Found::floating(format!(
            "`{runner}` fetches `{}` without an exact version",
            loose.chars().take(100).collect::<String>()
        )),
        None => Found {
            package: Some(packages.join(" ")),
            ..Found::default()
        },
    }
}

/// `name@1.2.3`, `@scope/name@1.2.3`: an exact version, not a range or a tag.
fn npm_pin(package: &str) -> bool {
    let unscoped = package.strip_prefix('@').unwrap_or(package);
    unscoped
        .split_once('@')
        .is_some_and(|(_, version)| exact(version))
}

/// `name==1.2.3`, `name[extra]==1.2.3`, `name@1.2.3`.
fn python_pin(package: &str) -> bool {
    package
        .split_once("==")
        .or_else(|| package.split_once('@'))
        .is_some_and(|(name, version)| !name.contains("://") && exact(version.trim_start_matches('=')))
}

fn exact(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or("");
    let parts: Vec<&str> = core.split('.').collect();
    parts.len() >= 2
        && parts
            .first()
            .is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
        && parts.iter().all(|p| {
            !p.is_empty() && !matches!(*p, "x" | "X") && p.bytes().all(|b| b.is_ascii_alphanumeric())
        })
        && version
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
}

/// A container: pinned only by the digest of its image.
fn image(program: &str, words: &[&str]) -> Found {
    let digest = |word: &&&str| {
        word.split_once("@sha256:")
            .is_some_and(|(_, hex)| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    match words.iter().find(digest) {
        Some(image) => Found {
            package: Some((*image).to_owned()),
            ..Found::default()
        },
        None => Found::floating(format!(
            "`{program}` runs an image that is not named by its digest (`@sha256:…`)"
        )),
    }
}
