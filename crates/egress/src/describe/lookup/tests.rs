//! Which lookups are taken, and that a changed one is a changed tool.

use crate::describe::{File, System};

const GET: &str = r#"
title = "T"
hosts = ["t.example"]
[[operations]]
name = "get"
call = "GET /things/{id}"
class = "read"
"#;

/// A description with one operation more, whose lookup is this.
fn with(lookup: &str, resource: &str) -> Result<System, String> {
    let text = format!(
        "{GET}[[operations]]\nname = \"drop\"\ncall = \"DELETE /things/{{id}}\"\nclass = \"delete\"\nresources = [\"{resource}\"]\n{lookup}\n"
    );
    System::parse(&"t".parse().unwrap(), &text).map_err(|bad| bad.to_string())
}

const GOOD: &str = "lookup = { operation = \"get\", fields = { owner = \"owner\" }, bind = \"etag\" }";

#[test]
fn a_lookup_is_checked_when_it_is_read() {
    let good = with(GOOD, "{object.owner}").unwrap();
    assert_eq!(good.operations.len(), 2);
    let text = |lookup: &str| lookup.to_owned();
    let more = |lookup: &str, operations: &str| format!("{lookup}\n{operations}");
    let other = |call: &str, rest: &str| {
        more(
            "lookup = { operation = \"other\", fields = { owner = \"owner\" }, bind = \"etag\" }",
            &format!("[[operations]]\nname = \"other\"\ncall = \"{call}\"\n{rest}"),
        )
    };
    for (lookup, resource, says) in [
        (text(""), "{object.owner}", "nothing is looked up"),
        (text(GOOD), "{object.name}", "no field of its lookup"),
        (
            GOOD.replace("\"get\"", "\"gone\""),
            "{object.owner}",
            "no such operation",
        ),
        (
            GOOD.replace("\"get\"", "\"drop\""),
            "{object.owner}",
            "does not only read",
        ),
        (GOOD.replace("etag", "time"), "{object.owner}", "etag or none"),
        (GOOD.replace(", bind = \"etag\"", ""), "{object.owner}", "bind"),
        (GOOD.replace("owner = \"owner\"", ""), "things", "has no `fields`"),
        (
            GOOD.replace("owner = \"owner\"", "etag = \"owner\""),
            "things",
            "`etag` is its version",
        ),
        (
            GOOD.replace("owner = \"owner\"", "\"a-b\" = \"owner\""),
            "things",
            "use letters",
        ),
        (
            GOOD.replace("owner = \"owner\"", "owner = \"a..b\""),
            "things",
            "member.member",
        ),
        (
            GOOD.replace("owner = \"owner\"", "owner = \"a\", \"owner...\" = \"b\""),
            "things",
            "two fields",
        ),
        (
            GOOD.replace("bind", "with = { id = \"number\" }, bind"),
            "things",
            "does not have",
        ),
        (
            GOOD.replace("bind", "with = { \"body.x\" = \"id\" }, bind"),
            "things",
            "neither a name in the path",
        ),
        (
            GOOD.replace("bind", "only = { id = \"letters\" }, bind"),
            "things",
            "has an `only`",
        ),
        (
            GOOD.replace("bind", "only = { number = \"digits\" }, bind"),
            "things",
            "has an `only`",
        ),
        (GOOD.replace("bind", "extra = 1, bind"), "things", "extra"),
        (
            other("POST /others/{id}", "class = \"read\"\n"),
            "things",
            "is no GET",
        ),
        (
            other("GET /others/{id}", "class = \"write\"\n"),
            "things",
            "does not only read",
        ),
        (
            other("GET /others/{id}", "class = \"read\"\nmints = true\n"),
            "things",
            "does not only read",
        ),
        (
            other("GET /others/{id}", "class = \"read\"\nopaque = true\n"),
            "things",
            "conditions of its own",
        ),
        (
            other(
                "GET /others/{id}",
                "class = \"read\"\nwhen = { \"query.x\" = \"*\" }\n",
            ),
            "things",
            "conditions of its own",
        ),
        (
            other("GET /others/{id}", "class = \"read\"\nhost = \"o.example\"\n"),
            "things",
            "another host",
        ),
        (
            other("GET /others/{other}", "class = \"read\"\n"),
            "things",
            "cannot fill `other`",
        ),
        (
            other(
                "GET /others/{id}",
                "class = \"read\"\n[operations.fields]\n\"query.q\" = { type = \"string\", required = true }\n",
            ),
            "things",
            "does not fill `query.q`",
        ),
        (
            other("GET /others/{id}", &format!("class = \"read\"\n{GOOD}\n")),
            "things",
            "only one step",
        ),
    ] {
        let refused = with(&lookup, resource).unwrap_err();
        assert!(refused.contains(says), "{lookup}: {refused}");
    }
}

#[test]
fn a_changed_lookup_is_a_changed_tool() {
    let definition = |lookup: &str| {
        let system = with(lookup, "{object.owner}").unwrap();
        let of = |name: &str| {
            let mut all = system.operations.iter();
            all.find(|o| o.name.as_str() == name).unwrap().definition.clone()
        };
        (of("drop"), of("get"))
    };
    let first = definition(GOOD);
    for (from, to) in [
        ("etag", "none"),
        ("owner = \"owner\"", "owner = \"login\""),
        ("owner = \"owner\"", "\"owner...\" = \"owner\""),
        ("bind", "with = { \"query.x\" = \"id\" }, bind"),
        ("bind", "only = { id = \"digits\" }, bind"),
    ] {
        let changed = definition(&GOOD.replace(from, to));
        assert_ne!(first.0, changed.0, "{to}");
        assert_eq!(first.1, changed.1, "{to}");
    }
    // The operation it is looked up with changes as well: Remit asks it by itself now.
    let alone = System::parse(&"t".parse().unwrap(), GET).unwrap();
    assert_ne!(alone.operations.first().unwrap().definition, first.1);
}

#[test]
fn what_is_written_is_read_again() {
    let file: File = toml::from_str(&format!(
        "{GET}[[operations]]\nname = \"drop\"\ncall = \"DELETE /things/{{id}}\"\nclass = \"delete\"\n{GOOD}\n"
    ))
    .unwrap();
    let again: File = toml::from_str(&toml::to_string(&file).unwrap()).unwrap();
    let compile = |file: &File| System::compile(&"t".parse().unwrap(), file).unwrap();
    assert_eq!(compile(&file), compile(&again));
}
