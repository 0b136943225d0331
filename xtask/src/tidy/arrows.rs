//! Which crate may use which: the shape of the house, as tables. A new arrow is a change of architecture; it is made here,
//! with its reason in ARCHITECTURE.md.

#[cfg(test)]
use std::collections::BTreeMap;

use anyhow::Context as _;
use toml::Table;

use super::Report;
use super::tree::Tree;

const ALL: &[&str] = &[
    "broker",
    "confine",
    "core",
    "credentials",
    "egress",
    "enforce",
    "gateway",
    "identity",
    "ledger",
    "policy",
    "scenario",
    "server",
    "store",
    "upstream",
];

/// Our crates → what each may use of ours, in tests too.
const ARROWS: &[(&str, &[&str])] = &[
    ("crates/core", &[]),
    ("crates/confine", &[]),
    ("crates/credentials", &["core"]),
    ("crates/identity", &["core"]),
    ("crates/ledger", &["core"]),
    ("crates/policy", &["core"]),
    ("crates/store", &["core", "ledger"]),
    ("crates/enforce", &["core", "policy", "store"]),
    ("crates/gateway", &["core"]),
    ("crates/egress", &["core"]),
    ("crates/upstream", &["confine", "core", "enforce"]),
    ("crates/broker", &["core"]),
    (
        "crates/server",
        &[
            "broker",
            "confine",
            "core",
            "credentials",
            "egress",
            "enforce",
            "gateway",
            "identity",
            "ledger",
            "policy",
            "store",
            "upstream",
        ],
    ),
    (
        "crates/scenario",
        // the names of a scenario's hosts lead to its stub
        &["core", "ledger", "policy", "server", "store", "upstream"],
    ),
    ("crates/cli", ALL),
    ("bench", ALL),
    ("e2e", ALL),
    ("xtask", &[]),
];

/// What a test may use beyond that, with the reason.
const TEST_ARROWS: &[(&str, &str, &str)] = &[
    (
        "crates/enforce",
        "ledger",
        "a test of the mint needs a real record and its receipt",
    ),
    (
        "crates/enforce",
        "upstream",
        "what must not compile is told about the whole way to a server",
    ),
];

/// Libraries that belong to some rooms alone.
const OWNED: &[(&str, &[&str], &str)] = &[
    (
        "cedar-policy",
        &["crates/policy"],
        "only `crates/policy` knows Cedar",
    ),
    (
        "cedar-policy-core",
        &["crates/policy"],
        "only `crates/policy` knows Cedar",
    ),
    ("rusqlite", &["crates/store"], "only `crates/store` speaks SQL"),
    ("postgres", &["crates/store"], "only `crates/store` speaks SQL"),
    (
        "tokio-postgres",
        &["crates/broker"],
        "only `crates/broker` speaks to users' databases",
    ),
    (
        "sqlparser",
        &["crates/broker"],
        "only `crates/broker` reads the statements of agents",
    ),
    (
        "landlock",
        &["crates/confine"],
        "only `crates/confine` shuts processes in",
    ),
    ("clap", &["crates/cli"], "only `crates/cli` reads command lines"),
    (
        "rustls",
        &["crates/upstream", "crates/egress", "crates/gateway"],
        "only `crates/upstream` dials; `crates/egress` and `crates/gateway` answer TLS",
    ),
    (
        "tokio-rustls",
        &["crates/upstream", "crates/egress", "crates/gateway"],
        "only `crates/upstream` dials; `crates/egress` and `crates/gateway` answer TLS",
    ),
    (
        "webpki-roots",
        &["crates/upstream"],
        "only `crates/upstream` dials",
    ),
];

/// The domain has no I/O, no async and no serialization; tests of it may.
const NOT_IN_CORE: &[&str] = &["axum", "hyper", "rustix", "serde", "serde_json", "tokio", "toml"];

pub fn check(tree: &Tree, report: &mut Report) -> anyhow::Result<()> {
    for (path, text) in manifests(tree) {
        let manifest: Table = text.parse().with_context(|| format!("`{path}` is not TOML"))?;
        let member = path.trim_end_matches("/Cargo.toml");
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == member) else {
            report.complaints.push(format!(
                "{path}: `{member}` is in no table of xtask/src/tidy/arrows.rs: say there what it may use"
            ));
            continue;
        };
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            report.complaints.push(format!(
                "{path}: has no `[lints] workspace = true`, which forbids unsafe code"
            ));
        }
        for (name, dependency) in dependencies(&manifest) {
            report
                .complaints
                .extend(complaint(member, allowed, &name, dependency).map(|what| format!("{path}: {what}")));
        }
    }
    Ok(())
}

/// The members of the workspace; its own manifest and the fuzz targets, a workspace of their own, are not.
fn manifests(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.with_extension("toml")
        .filter(|(path, _)| path.ends_with("/Cargo.toml") && !path.starts_with("fuzz/"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Product,
    Test,
}

#[derive(Clone, Copy)]
struct Dependency {
    kind: Kind,
    inherited: bool,
}

fn dependencies(manifest: &Table) -> Vec<(String, Dependency)> {
    let mut found = Vec::new();
    let targets = manifest.get("target").and_then(|target| target.as_table());
    let tables = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(|target| target.as_table());
    for table in tables.chain([manifest]) {
        for (key, kind) in [
            ("dependencies", Kind::Product),
            ("build-dependencies", Kind::Product),
            ("dev-dependencies", Kind::Test),
        ] {
            for (name, value) in table
                .get(key)
                .and_then(|value| value.as_table())
                .into_iter()
                .flatten()
            {
                let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                found.push((name.clone(), Dependency { kind, inherited }));
            }
        }
    }
    found
}

fn complaint(member: &str, allowed: &[&str], name: &str, dependency: Dependency) -> Option<String> {
    if !dependency.inherited {
        return Some(format!(
            "`{name}` has no `workspace = true`: versions are in the root manifest alone"
        ));
    }
    if let Some(ours) = name.strip_prefix("remit-") {
        let excepted = dependency.kind == Kind::Test
            && TEST_ARROWS
                .iter()
                .any(|(from, to, _)| *from == member && *to == ours);
        return (!allowed.contains(&ours) && !excepted)
            .then(|| format!("`{member}` may not use `{name}`: see xtask/src/tidy/arrows.rs"));
    }
    if let Some((_, owners, why)) = OWNED.iter().find(|(library, ..)| *library == name) {
        let benches = member == "bench" || (dependency.kind == Kind::Test && member == "crates/server");
        return (!owners.contains(&member) && !benches)
            .then(|| format!("`{name}` does not belong here: {why}"));
    }
    (member == "crates/core" && dependency.kind == Kind::Product && NOT_IN_CORE.contains(&name))
        .then(|| format!("`{name}` does not belong here: the domain has no I/O, no async, no serialization"))
}

/// No arrow leads back: each crate may use only what stands before it in an order.
#[cfg(test)]
fn order() -> Result<Vec<&'static str>, Vec<&'static str>> {
    let mut open: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut done: Vec<&str> = Vec::new();
    loop {
        let free: Vec<&str> = open
            .iter()
            .filter(|(_, uses)| {
                uses.iter()
                    .all(|used| done.iter().any(|name| name.strip_prefix("crates/") == Some(used)))
            })
            .map(|(name, _)| *name)
            .collect();
        if free.is_empty() {
            return if open.is_empty() {
                Ok(done)
            } else {
                Err(open.into_keys().collect())
            };
        }
        for name in free {
            open.remove(name);
            done.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, manifest: &str) -> Vec<String> {
        let mut report = Report::default();
        let manifest = format!("[lints]\nworkspace = true\n{manifest}");
        check(&Tree::of(&[(path, &manifest)]), &mut report).unwrap();
        report.complaints
    }

    #[test]
    fn the_table_has_no_circle() {
        assert_eq!(order().map(|names| names.len()), Ok(ARROWS.len()));
    }

    #[test]
    fn a_forbidden_arrow_is_found_also_in_tests_and_targets() {
        for table in [
            "dependencies",
            "dev-dependencies",
            "build-dependencies",
            "target.'cfg(unix)'.dependencies",
        ] {
            let found = complaints(
                "crates/gateway/Cargo.toml",
                &format!("[{table}]\nremit-store.workspace = true\n"),
            );
            assert_eq!(found.len(), 1, "{table}: {found:?}");
        }
        assert!(
            complaints(
                "crates/gateway/Cargo.toml",
                "[dependencies]\nremit-core.workspace = true\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn a_test_arrow_is_for_tests() {
        let path = "crates/enforce/Cargo.toml";
        assert!(complaints(path, "[dev-dependencies]\nremit-ledger.workspace = true\n").is_empty());
        assert_eq!(
            complaints(path, "[dependencies]\nremit-ledger.workspace = true\n").len(),
            1
        );
    }

    #[test]
    fn libraries_stay_in_their_rooms() {
        for (member, library) in [
            ("crates/server", "cedar-policy-core"),
            ("crates/policy", "rusqlite"),
            ("crates/server", "postgres"),
            ("crates/core", "tokio"),
        ] {
            let found = complaints(
                &format!("{member}/Cargo.toml"),
                &format!("[dependencies]\n{library}.workspace = true\n"),
            );
            assert_eq!(found.len(), 1, "{member} {library}: {found:?}");
        }
    }

    #[test]
    fn versions_are_in_the_root_manifest() {
        assert_eq!(
            complaints("crates/cli/Cargo.toml", "[dependencies]\nserde_json = \"1\"\n").len(),
            1
        );
    }

    #[test]
    fn no_crate_is_without_the_lints() {
        let mut report = Report::default();
        check(&Tree::of(&[("crates/cli/Cargo.toml", "")]), &mut report).unwrap();
        assert_eq!(report.complaints.len(), 1);
    }

    #[test]
    fn an_unknown_crate_needs_its_arrows() {
        assert_eq!(complaints("crates/new/Cargo.toml", "").len(), 1);
    }
}
