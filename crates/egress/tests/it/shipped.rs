//! Every shipped description compiles, and says of telling requests what it should.

use remit_core::json::Value;
use remit_egress::authority::Authority;
use remit_egress::describe::{SHIPPED, System};
use remit_egress::request::{Head, read};
use remit_egress::spool::Spooled;
use remit_egress::target::Target;

fn system(name: &str) -> System {
    let text = remit_egress::describe::shipped(name).unwrap();
    System::parse(&name.parse().unwrap(), text).unwrap()
}

/// Operation, class and resources of a request.
fn ask(system_name: &str, request: &str, content_type: &str, body: &str) -> Result<String, String> {
    let system = system(system_name);
    let (method, url) = request.split_once(' ').unwrap();
    let rest = url.strip_prefix("https://").unwrap();
    let (host, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let head = Head {
        method: method.to_owned(),
        authority: Authority::parse(host, 443).unwrap(),
        target: Target::parse(if target.is_empty() { "/" } else { target })
            .map_err(|refusal| refusal.sentence)?,
        headers: Vec::new(),
        content_type: (!content_type.is_empty()).then(|| content_type.to_owned()),
    };
    let reading =
        read(&system, &head, &Spooled::of(body.as_bytes()).unwrap()).map_err(|refusal| refusal.sentence)?;
    let operation = system
        .all_operations()
        .find(|o| o.name == reading.operation)
        .unwrap();
    let touched: Vec<&str> = reading
        .arguments
        .get("resources")
        .and_then(Value::as_array)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if let Some(lookup) = &reading.lookup {
        assert!(touched.is_empty(), "what it touches is not known yet");
        return Ok(format!(
            "{} {} after {}",
            operation.name, operation.class, lookup.operation
        ));
    }
    Ok(
        format!("{} {} {}", operation.name, operation.class, touched.join(" "))
            .trim_end()
            .to_owned(),
    )
}

#[test]
fn what_is_long_is_read_without_its_content() {
    let long = "QUJD".repeat(1_500_000);
    let say = |messages: &str| format!(r#"{{"model":"m","messages":[{messages}]}}"#);
    let post = "POST https://api.openai.com/v1/chat/completions";
    let with_image = say(&format!(r#"{{"image":"{long}"}}"#));
    assert_eq!(
        ask("openai", post, "application/json", &with_image).unwrap(),
        "chat.completions read models/m"
    );
    // What is not declared content is no argument by digest: it stays too long.
    let hidden = format!(r#"{{"model":"m","messages":[],"tools":"{long}"}}"#);
    let refused = ask("openai", post, "application/json", &hidden).unwrap_err();
    assert!(refused.contains("too long"), "{refused}");
    // And what can be read in two ways is not read at all.
    let twice = format!(r#"{{"model":"m","model":"n","messages":["{long}"]}}"#);
    assert!(ask("openai", post, "application/json", &twice).is_err());

    let head = Head {
        method: "POST".to_owned(),
        authority: Authority::parse("api.openai.com", 443).unwrap(),
        target: Target::parse("/v1/chat/completions").unwrap(),
        headers: Vec::new(),
        content_type: Some("application/json".to_owned()),
    };
    let read = |body: &str| {
        let spooled = Spooled::of(body.as_bytes()).unwrap();
        let reading = remit_egress::request::read(&system("openai"), &head, &spooled).unwrap();
        reading
            .arguments
            .get("body")
            .unwrap()
            .get("messages")
            .unwrap()
            .clone()
    };
    let digest = read(&with_image);
    assert!(
        digest.as_str().unwrap().starts_with("6000014 bytes, sha256 "),
        "{digest}"
    );
    assert_ne!(read(&say(&format!(r#"{{"image":"{long}x"}}"#))), digest);
    assert!(read(&say(r#"{"text":"short"}"#)).as_array().is_some());
}

#[test]
fn every_description_compiles() {
    for (name, _) in SHIPPED {
        let system = system(name);
        assert!(system.all_operations().count() > 3, "{name}");
    }
}

/// What takes back a token says so in the description, and can be made of what the answer holds (docs.gitlab.com, "Project
/// access tokens API"; docs.github.com, "Revoke an installation access token").
#[test]
fn what_mints_says_how_that_is_taken_back() {
    let answer = r#"{"id":58,"token":"x","scopes":["api"]}"#;
    let answer = remit_core::json::parse(answer.as_bytes(), &remit_core::json::Bounds::RESPONSE).unwrap();
    for (name, operation, expected) in [
        (
            "gitlab",
            "tokens.create",
            "/api/v4/projects/acme%2Fweb/access_tokens/58 /api/v4/personal_access_tokens/self",
        ),
        (
            "github",
            "installations.token",
            "/installation/token /installation/repositories",
        ),
    ] {
        let system = system(name);
        let mut all = system.all_operations();
        let operation = all.find(|known| known.name.as_str() == operation).unwrap();
        let revoke = operation.revoke.as_ref().unwrap();
        let fill = |request: &remit_egress::describe::revoke::Request| {
            let value_of = |name: &str| match name {
                "project" => Some("acme/web".to_owned()),
                name => remit_egress::describe::revoke::member(&answer, name),
            };
            request.fill(value_of).unwrap()
        };
        assert_eq!(
            format!("{} {}", fill(&revoke.call), fill(&revoke.probe)),
            expected
        );
        assert_eq!(revoke.with_minted, name == "github");
        let shown = operation.definition.get("_meta").unwrap().to_string();
        assert!(shown.contains("\"revoke\""), "{shown}");
    }
}

#[test]
fn telling_requests() {
    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    for (name, request, kind, body, expected) in [
        (
            "github",
            "GET https://api.github.com/repos/acme/web",
            "",
            "",
            "repos.get read acme/web",
        ),
        (
            "github",
            "DELETE https://api.github.com/repos/acme/web",
            "",
            "",
            "repos.delete delete acme/web",
        ),
        (
            "github",
            "POST https://api.github.com/repos/acme/web/issues",
            JSON,
            r#"{"title":"x"}"#,
            "issues.create write acme/web/issues",
        ),
        (
            "github",
            "PATCH https://api.github.com/repos/acme/web/git/refs/heads/main",
            JSON,
            r#"{"sha":"a"}"#,
            "refs.update write acme/web/refs/heads/main",
        ),
        (
            "github",
            "PATCH https://api.github.com/repos/acme/web/git/refs/heads/main",
            JSON,
            r#"{"sha":"a","force":true}"#,
            "refs.force delete acme/web/refs/heads/main",
        ),
        (
            "github",
            "POST https://api.github.com/graphql",
            JSON,
            r#"{"query":"{viewer{login}}"}"#,
            "query read graphql",
        ),
        (
            "github",
            "POST https://api.github.com/graphql",
            JSON,
            r#"{"query":"mutation{deleteRef(input:{refId:\"x\"}){clientMutationId}}"}"#,
            "mutation.deleteRef delete graphql",
        ),
        (
            "github",
            "GET https://api.github.com/repos/Acme/WEB/contents/README.md",
            "",
            "",
            "repos.read read acme/web/contents/README.md",
        ),
        (
            "github",
            "GET https://github.com/Acme/Web.git/info/refs?service=git-upload-pack",
            "",
            "",
            "git.fetch_refs read acme/web",
        ),
        (
            "github",
            "GET https://github.com/acme/web.git/info/refs?service=git-upload-pack",
            "",
            "",
            "git.fetch_refs read acme/web",
        ),
        (
            "gitlab",
            "GET https://gitlab.com/api/v4/projects/acme%2Fteam%2Fweb/issues",
            "",
            "",
            "projects.read read acme/team/web/issues",
        ),
        (
            "gitlab",
            "DELETE https://gitlab.com/api/v4/projects/acme%2Fweb/repository/branches/old",
            "",
            "",
            "branches.delete delete acme/web/refs/heads/old",
        ),
        (
            "gitlab",
            "GET https://gitlab.com/api/v4/projects/42/issues",
            "",
            "",
            "projects.read read after projects.get",
        ),
        (
            "gitlab",
            "DELETE https://gitlab.com/api/v4/projects/42",
            "",
            "",
            "projects.delete delete after projects.get",
        ),
        (
            "gitlab",
            "GET https://gitlab.com/acme/team/web.git/info/refs?service=git-receive-pack",
            "",
            "",
            "git.push_refs read acme/team/web",
        ),
        (
            "slack",
            "POST https://slack.com/api/chat.postMessage",
            JSON,
            r##"{"channel":"#ops","text":"hi"}"##,
            "chat.post_message transfer channels/#ops",
        ),
        (
            "slack",
            "POST https://slack.com/api/chat.postMessage",
            FORM,
            "channel=%23ops&text=hi",
            "chat.post_message transfer channels/#ops",
        ),
        (
            "stripe",
            "POST https://api.stripe.com/v1/refunds",
            FORM,
            "charge=ch_1&amount=500",
            "refunds.create transfer charges/ch_1",
        ),
        (
            "sts",
            "POST https://sts.amazonaws.com/",
            FORM,
            "Action=AssumeRole&RoleArn=arn:aws:iam::1:role/x&RoleSessionName=s",
            "assume_role privilege arn:aws:iam::1:role/x",
        ),
        (
            "s3",
            "DELETE https://s3.amazonaws.com/b/k/l?versionId=3",
            "",
            "",
            "objects.delete_version delete b/k/l",
        ),
        (
            "s3",
            "PUT https://s3.amazonaws.com/b/k?acl=x&acl",
            "",
            "<a/>",
            "objects.set_acl privilege b/k",
        ),
        (
            "s3",
            "PUT https://s3.amazonaws.com/b/k?retention=",
            "",
            "<a/>",
            "objects.set_retention privilege b/k",
        ),
        (
            "s3",
            "DELETE https://s3.amazonaws.com/b/k?versionId=3&versionId=4",
            "",
            "",
            "objects.delete_version delete b/k",
        ),
        ("s3", "GET https://s3.amazonaws.com/", "", "", "buckets.list read"),
        (
            "github",
            "GET https://api.github.com/search/code?q=x",
            "",
            "",
            "search read search/code",
        ),
        (
            "s3",
            "PUT https://s3.amazonaws.com/b?policy",
            JSON,
            "{}",
            "buckets.set_policy privilege b",
        ),
        (
            "openai",
            "POST https://api.openai.com/v1/chat/completions",
            JSON,
            r#"{"model":"m","messages":[]}"#,
            "chat.completions read models/m",
        ),
        (
            "anthropic",
            "POST https://api.anthropic.com/v1/messages",
            JSON,
            r#"{"model":"m","messages":[]}"#,
            "messages read models/m",
        ),
        (
            "packages",
            "PUT https://packages.example/left-pad",
            JSON,
            "{}",
            "publish transfer packages.example/left-pad",
        ),
        (
            "http",
            "DELETE https://api.example/a/b",
            "",
            "",
            "delete delete api.example/a/b",
        ),
    ] {
        assert_eq!(
            ask(name, request, kind, body).as_deref(),
            Ok(expected),
            "{request}"
        );
    }
}

#[test]
fn what_is_unknown_or_hidden_is_refused() {
    const JSON: &str = "application/json";
    for (name, request, kind, body) in [
        ("github", "POST https://api.github.com/admin/users", JSON, "{}"),
        ("github", "DELETE https://api.github.com/user", "", ""),
        (
            "github",
            "POST https://github.com/repos/acme/web/issues",
            JSON,
            r#"{"title":"x"}"#,
        ),
        (
            "github",
            "POST https://api.github.com/graphql",
            JSON,
            r#"[{"query":"{viewer{login}}"}]"#,
        ),
        (
            "github",
            "POST https://api.github.com/graphql",
            JSON,
            r#"{"query":"mutation{enablePullRequestAutoMerge(input:{}){clientMutationId}}"}"#,
        ),
        (
            "github",
            "GET https://api.github.com/repos/acme/..%2fevil/web",
            "",
            "",
        ),
        (
            "github",
            "GET https://api.github.com/repos/acme/web?x=1",
            JSON,
            "{}",
        ),
        (
            "github",
            "POST https://api.github.com/repos/acme/web/issues",
            JSON,
            r#"{"title":"x","title":"y"}"#,
        ),
        (
            "github",
            "POST https://api.github.com/repos/acme/web/issues",
            "text/plain",
            r#"{"title":"x"}"#,
        ),
        (
            "stripe",
            "POST https://api.stripe.com/v1/refunds",
            JSON,
            r#"{"charge":"ch_1"}"#,
        ),
        (
            "stripe",
            "POST https://api.stripe.com/v1/refunds",
            "application/x-www-form-urlencoded",
            "charge=ch_1;amount=9",
        ),
        (
            "sts",
            "POST https://sts.amazonaws.com/",
            "application/x-www-form-urlencoded",
            "Action=AssumeRole&Action=GetCallerIdentity",
        ),
        (
            "slack",
            "POST https://slack.com/api/files.completeUploadExternal?channel_id=EVIL",
            JSON,
            r#"{"channel_id":"C1","files":[]}"#,
        ),
        (
            "slack",
            "POST https://slack.com/api/files.completeUploadExternal",
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"channel_id\"\r\n\r\nEVIL\r\n--x--",
        ),
        (
            "slack",
            "POST https://slack.com/api/conversations.history",
            JSON,
            "{}",
        ),
        (
            "slack",
            "POST https://slack.com/api/conversations.history?channel=C1",
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"channel\"\r\n\r\nC2\r\n--x--",
        ),
        (
            "slack",
            "POST https://slack.com/api/chat.postMessage",
            JSON,
            r##"{"channel":"#ops","Channel":"#evil","text":"hi"}"##,
        ),
        ("http", "POST https://api.example/orders/1?_method=DELETE", "", ""),
        (
            "http",
            "POST https://api.example/orders/1",
            "application/x-www-form-urlencoded",
            "a=1&_Method=delete",
        ),
        (
            "http",
            "POST https://api.example/orders/1",
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n--x--",
        ),
        (
            "stripe",
            "POST https://api.stripe.com/v1/payment_intents",
            "application/x-www-form-urlencoded",
            "amount=1&currency=eur&AMOUNT=99999",
        ),
        (
            "github",
            "PATCH https://api.github.com/repos/acme/web/git/refs/heads/main",
            JSON,
            r#"{"sha":"a","force":["true"]}"#,
        ),
    ] {
        assert!(ask(name, request, kind, body).is_err(), "{request} {body}");
    }
}
