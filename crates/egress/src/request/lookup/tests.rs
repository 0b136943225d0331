//! Which request looks an object up, what its answer has to say, and what is made of it.

use super::*;
use crate::authority::Authority;
use crate::request::read;
use crate::spool::Spooled;

const PETS: &str = r#"
title = "Pets"
hosts = ["pets.example"]
headers = ["x-pets-account"]
[[operations]]
name = "pets.get"
call = "GET,HEAD /pets/{id}"
class = "read"
resources = ["{object.owner}/{object.name}"]
lookup = { operation = "pets.get", fields = { owner = "owner.login", name = "name" }, bind = "etag" }
[[operations]]
name = "pets.search"
call = "GET /pets/search"
class = "read"
[[operations]]
name = "pets.delete"
call = "DELETE /pets/{id}"
class = "delete"
resources = ["{object.owner}/{object.name}", "kinds/{object.kind}"]
lookup = { operation = "pets.get", fields = { owner = "owner.login", name = "name", kind = "kind" }, bind = "etag" }
[[operations]]
name = "pets.feed"
call = "POST /feedings"
class = "write"
resources = ["{object.place}/food"]
lookup = { operation = "pets.get", with = { id = "body.pet.id" }, fields = { "place..." = "place" }, bind = "none" }
[[operations]]
name = "houses.get"
call = "GET /houses"
class = "read"
resources = ["houses"]
[[operations]]
name = "houses.paint"
call = "POST /houses/{house%}/paint"
class = "write"
resources = ["{object.path}/paint"]
[operations.lookup]
operation = "houses.get"
with = { "query.id" = "house" }
fields = { "path..." = "path" }
bind = "none"
only = { house = "digits" }
"#;

fn system() -> System {
    System::parse(&"pets".parse().unwrap(), PETS).unwrap()
}

fn ask_with(request: &str, headers: &[(&str, &str)], body: &str) -> Result<Reading, Refusal> {
    let (method, target) = request.split_once(' ').unwrap();
    let mut headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let content_type = (!body.is_empty()).then(|| "application/json".to_owned());
    headers.extend(
        content_type
            .iter()
            .map(|kind| ("content-type".to_owned(), kind.clone())),
    );
    headers.sort();
    let head = Head {
        method: method.to_owned(),
        authority: Authority::parse("pets.example", 443).unwrap(),
        target: Target::parse(target)?,
        headers,
        content_type,
    };
    read(&system(), &head, &Spooled::of(body.as_bytes()).unwrap())
}

fn ask(request: &str, body: &str) -> Result<Reading, Refusal> {
    ask_with(request, &[], body)
}

fn argument(reading: &Reading, name: &str) -> String {
    reading
        .arguments
        .get(name)
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn answered(reading: &Reading, head: &[(&str, &str)], body: &str) -> Result<Reading, Refusal> {
    let headers: Vec<(String, String)> = head
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let found = Found {
        status: 200,
        headers: &headers,
        body: body.as_bytes(),
    };
    bind(&system(), reading.clone(), &found)
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

#[test]
fn the_lookup_is_a_request_of_its_own() {
    let told = [
        ("accept", "text/html"),
        ("if-match", "\"mine\""),
        ("user-agent", "curl"),
        ("x-pets-account", "7"),
    ];
    let reading = ask_with("DELETE /pets/42?force=1", &told, "").unwrap();
    assert_eq!(argument(&reading, "resources"), "", "it is not known yet");
    let lookup = reading.lookup.as_deref().unwrap();
    assert_eq!(lookup.operation.as_str(), "pets.get");
    assert_eq!(
        argument(lookup, "request"),
        "\"GET https://pets.example/pets/42\""
    );
    assert_eq!(argument(lookup, "lookup_for"), "\"pets/pets.delete\"");
    assert_eq!(argument(lookup, "resources"), "");
    assert_eq!(
        argument(lookup, "headers"),
        r#"{"accept":"application/json","user-agent":"curl","x-pets-account":"7"}"#,
        "the agent chooses neither the view nor a condition"
    );

    // By itself; from the body; in the query, beside what its own operation says it touches.
    let own = ask("HEAD /pets/42", "").unwrap();
    assert_eq!(
        argument(own.lookup.as_deref().unwrap(), "request"),
        "\"GET https://pets.example/pets/42\""
    );
    let fed = ask("POST /feedings", r#"{"pet":{"id":42}}"#).unwrap();
    assert_eq!(
        argument(fed.lookup.as_deref().unwrap(), "request"),
        "\"GET https://pets.example/pets/42\""
    );
    let painted = ask("POST /houses/7/paint", "").unwrap();
    let lookup = painted.lookup.as_deref().unwrap();
    assert_eq!(
        argument(lookup, "request"),
        "\"GET https://pets.example/houses?id=7\""
    );
    assert_eq!(argument(lookup, "resources"), r#"["houses"]"#);
    // A name is what would be looked up.
    let named = ask("POST /houses/acme%2Fattic/paint", "").unwrap();
    assert!(named.lookup.is_none());
    // None of those that wait for one is to be decided as it is.
    let due = |reading: &Reading| is_due(&system(), &reading.operation, &reading.arguments);
    for waits in [&reading, &own, &fed, &painted] {
        assert!(due(waits) && !due(waits.lookup.as_deref().unwrap()));
    }
    assert!(!due(&named));
    assert_eq!(argument(&named, "resources"), r#"["acme/attic/paint"]"#);
}

#[test]
fn an_id_makes_no_other_request_of_the_lookup() {
    for body in [
        r#"{"pet":{"id":"search"}}"#,
        r#"{"pet":{"id":"a/b"}}"#,
        r#"{"pet":{"id":".."}}"#,
        r#"{"pet":{"id":"."}}"#,
        r#"{"pet":{"id":""}}"#,
        r#"{"pet":{"id":"a;b"}}"#,
        r#"{"pet":{"id":"%2e%2e"}}"#,
        r#"{"pet":{"id":"a\nb"}}"#,
        r#"{"pet":{"id":["1","2"]}}"#,
        r#"{"pet":{"id":1.5}}"#,
        r#"{"pet":{"id":true}}"#,
        r#"{"pet":{"id":null}}"#,
        r#"{"pet":"42"}"#,
        r#"{"pet":{"id":42,"ID":43}}"#,
        r#"{"pet":{"id":42},"Pet":{"id":43}}"#,
        "[42]",
        "{}",
    ] {
        let refused = ask("POST /feedings", body).unwrap_err();
        assert_eq!(
            refused.reason,
            remit_core::decision::Reason::NotInspectable,
            "{body}"
        );
    }
    let twice = ask("POST /feedings?pet=43", r#"{"pet":{"id":42}}"#).unwrap_err();
    assert!(twice.sentence.contains("stands in the query"), "{twice}");
    let odd = ask("POST /feedings", r#"{"pet":{"id":"a?b#c&d"}}"#).unwrap();
    assert_eq!(
        argument(odd.lookup.as_deref().unwrap(), "request"),
        "\"GET https://pets.example/pets/a%3Fb%23c&d\""
    );
}

#[test]
fn what_was_found_goes_into_the_request() {
    let asked = ask("DELETE /pets/42", "").unwrap();
    let body = r#"{"id":42,"owner":{"login":"acme"},"name":"rex","kind":3,"secret":"x"}"#;
    let bound = answered(&asked, &[JSON, ("etag", "\"v1\"")], body).unwrap();
    assert!(bound.lookup.is_none() && !is_due(&system(), &bound.operation, &bound.arguments));
    assert_eq!(argument(&bound, "resources"), r#"["acme/rex","kinds/3"]"#);
    assert_eq!(
        argument(&bound, "object"),
        r#"{"etag":"\"v1\"","kind":"3","name":"rex","owner":"acme"}"#
    );
    assert_eq!(argument(&bound, "headers"), r#"{"if-match":"\"v1\""}"#);
    assert!(is_same_request(&asked.arguments, &bound.arguments, &[]));

    // The agent's own condition has to be the version there is.
    for (own, fits) in [
        ("\"v1\"", true),
        ("\"v0\"", false),
        ("*", false),
        ("W/\"v1\"", false),
        ("\"v1\", \"v0\"", false),
    ] {
        let asked = ask_with("DELETE /pets/42", &[("if-match", own)], "").unwrap();
        let bound = answered(&asked, &[JSON, ("etag", "\"v1\"")], body);
        assert_eq!(bound.is_ok(), fits, "{own}: {bound:?}");
    }
    let own = ask_with("DELETE /pets/42", &[("if-match", "\"v0\"")], "").unwrap();
    assert!(!is_same_request(&own.arguments, &bound.arguments, &[]));
    let other = ask("DELETE /pets/43", "").unwrap();
    assert!(!is_same_request(&other.arguments, &bound.arguments, &[]));

    let fed = ask("POST /feedings", r#"{"pet":{"id":42}}"#).unwrap();
    let bound = answered(&fed, &[JSON], r#"{"place":"acme/yard"}"#).unwrap();
    assert_eq!(argument(&bound, "resources"), r#"["acme/yard/food"]"#);
    assert_eq!(argument(&bound, "object"), r#"{"place":"acme/yard"}"#);
    let system = system();
    let feed = system
        .operations
        .iter()
        .find(|o| o.name == bound.operation)
        .unwrap();
    assert!(
        feed.classification
            .arguments
            .iter()
            .any(|rule| rule.pointer == "/object"),
        "what nothing binds is looked at"
    );
}

#[test]
fn what_does_not_say_which_object_refuses() {
    let asked = ask("DELETE /pets/42", "").unwrap();
    const TAG: (&str, &str) = ("etag", "\"v1\"");
    let good = r#"{"owner":{"login":"acme"},"name":"rex","kind":"dog"}"#;
    answered(&asked, &[JSON, TAG], good).unwrap();
    for (head, body) in [
        (vec![JSON], good),
        (vec![JSON, ("etag", "W/\"v1\"")], good),
        (vec![JSON, ("etag", "v1")], good),
        (vec![JSON, ("etag", "\"\"")], good),
        (vec![JSON, ("etag", "\"a\"b\"")], good),
        (vec![JSON, ("etag", "\"a b\"")], good),
        (vec![JSON, TAG, ("etag", "\"v2\"")], good),
        (vec![TAG], good),
        (vec![("content-type", "text/html"), TAG], good),
        (vec![JSON, ("content-type", "text/html"), TAG], good),
        (vec![JSON, TAG], "[]"),
        (vec![JSON, TAG], "{"),
        (vec![JSON, TAG], ""),
        (
            vec![JSON, TAG],
            r#"{"owner":{"login":"acme"},"name":"rex","name":"rex","kind":"dog"}"#,
        ),
        (vec![JSON, TAG], r#"{"owner":"acme","name":"rex","kind":"dog"}"#),
        (
            vec![JSON, TAG],
            r#"{"owner":{"login":"acme"},"name":null,"kind":"dog"}"#,
        ),
        (
            vec![JSON, TAG],
            r#"{"owner":{"login":"acme"},"name":"rex","kind":1.5}"#,
        ),
        (
            vec![JSON, TAG],
            r#"{"owner":{"login":"acme"},"name":"","kind":"dog"}"#,
        ),
        (
            vec![JSON, TAG],
            r#"{"owner":{"login":"acme/rex"},"name":"x","kind":"dog"}"#,
        ),
        (
            vec![JSON, TAG],
            r#"{"owner":{"login":".."},"name":"x","kind":"dog"}"#,
        ),
        (
            vec![JSON, TAG],
            r#"{"owner":{"login":"a\u0000"},"name":"x","kind":"dog"}"#,
        ),
    ] {
        let refused = answered(&asked, &head, body).unwrap_err();
        assert_eq!(
            refused.reason,
            remit_core::decision::Reason::NotInspectable,
            "{head:?} {body}"
        );
    }
    for status in [201, 204, 301, 304, 401, 403, 404, 410, 500] {
        let found = Found {
            status,
            headers: &[],
            body: b"{}",
        };
        let refused = bind(&system(), asked.clone(), &found).unwrap_err();
        assert!(refused.sentence.contains(&status.to_string()), "{refused}");
    }
    let fed = ask("POST /feedings", r#"{"pet":{"id":42}}"#).unwrap();
    for place in [
        "",
        "/acme",
        "acme/",
        "acme//yard",
        "acme/../evil",
        ".",
        "a\\u0007",
    ] {
        let refused = answered(&fed, &[JSON], &format!(r#"{{"place":"{place}"}}"#));
        assert!(refused.is_err(), "{place}");
    }
}
