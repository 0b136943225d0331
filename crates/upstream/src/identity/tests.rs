//! What pins a server and what does not.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::spec::HttpSpec;

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("remit-identity-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn program(dir: &Path, name: &str, content: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn stdio(command: &str, args: &[&str], cwd: &Path) -> ServerSpec {
    ServerSpec {
        name: "s".parse().unwrap(),
        transport: Transport::Stdio(StdioSpec {
            command: command.into(),
            args: args.iter().map(Into::into).collect(),
            cwd: Some(cwd.to_owned()),
            env: vec![
                ("TOKEN".into(), "secret".into()),
                ("NODE_OPTIONS".into(), "--x".into()),
            ],
        }),
        shareable: false,
    }
}

#[test]
fn the_executable_the_script_and_the_interpreter_count() {
    let dir = scratch("files");
    program(&dir, "node", "binary");
    program(&dir, "tool", "#!/usr/bin/env -S node --flag\ncode");
    fs::write(dir.join("server.mjs"), "one").unwrap();
    fs::write(dir.join("hook.mjs"), "hook").unwrap();
    fs::write(dir.join("data.json"), "data").unwrap();
    let artefacts = Artefacts::new();
    let path = dir.clone().into_os_string();
    let identify = |spec: &ServerSpec| artefacts.identify(spec, &path).unwrap();

    let spec = stdio(
        "node",
        &["--import", "./hook.mjs", "server.mjs", "data.json"],
        &dir,
    );
    let first = identify(&spec);
    assert_eq!(first.floating, None);
    assert_eq!(first.executable.as_deref(), Some(dir.join("node").as_path()));
    let shown = Value::Object(first.inputs.clone()).to_string();
    assert!(
        !shown.contains("secret") && shown.contains("\"TOKEN\":null") && shown.contains("--x"),
        "{shown}"
    );
    let roles: Vec<_> = first
        .inputs
        .get("files")
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f.get("role").unwrap().as_str().unwrap().to_owned())
        .collect();
    assert_eq!(roles, ["executable", "script", "script"]);
    assert_eq!(identify(&spec).digest, first.digest);

    fs::write(dir.join("data.json"), "other data").unwrap();
    assert_eq!(identify(&spec).digest, first.digest, "data is not code");
    for file in ["server.mjs", "hook.mjs", "node"] {
        let before = identify(&spec).digest;
        fs::write(dir.join(file), format!("changed {file}")).unwrap();
        assert_ne!(identify(&spec).digest, before, "{file}");
    }
    let tool = identify(&stdio("./tool", &[], &dir));
    let files = tool.inputs.get("files").unwrap().to_string();
    assert!(
        files.contains("interpreter") && files.contains("/node"),
        "{files}"
    );
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn what_is_fetched_floats_unless_its_version_is_exact() {
    let dir = scratch("fetch");
    for name in [
        "npx",
        "uvx",
        "uv",
        "npm",
        "pipx",
        "docker",
        "python3.12",
        "node",
        "bunx",
        "pnpm",
    ] {
        program(&dir, name, "x");
    }
    let path = dir.clone().into_os_string();
    let artefacts = Artefacts::new();
    let floating = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        artefacts
            .identify(&stdio(words[0], &words[1..], &dir), &path)
            .unwrap()
            .floating
    };
    let sha = "a".repeat(64);
    for pinned in [
        "npx -y @modelcontextprotocol/server-filesystem@2026.8.31 /tmp",
        "npx --package=foo@1.2.3 foo",
        "npx -p foo@1.2.3-beta.1 foo",
        "bunx foo@1.2.3",
        "pnpm dlx foo@1.2.3",
        "npm exec foo@1.2.3",
        "uvx mcp-server-git==2026.10.19",
        "uvx --from mcp-server-git[x]==2026.10.19 mcp-server-git",
        "uvx mcp-server-git@2026.10.19",
        "uv tool run foo==1.0",
        "pipx run --spec foo==1.0 foo",
        &format!("docker run -i --rm img@sha256:{sha}"),
        "python3.12 -c print(1)",
    ] {
        assert_eq!(floating(pinned), None, "{pinned}");
    }
    for loose in [
        "npx -y @modelcontextprotocol/server-filesystem /tmp",
        "npx foo@latest",
        "npx foo@^1.2.3",
        "npx foo@1",
        "npx foo@1.x",
        "npx -p foo bar@1.2.3",
        "npx github:user/repo",
        "npx",
        "bunx foo",
        "pnpm dlx foo@~1.2.3",
        "npm run start",
        "uvx mcp-server-git",
        "uvx mcp-server-git>=1.0",
        "uvx --from git+https://example.org/x@main x",
        "uvx --with extra foo==1.0",
        "uv run server.py",
        "pipx run foo",
        "docker run -i img:latest",
        "python3.12 -m mcp_server_git",
        "node missing.js",
        "node --inspect",
    ] {
        assert!(floating(loose).is_some(), "{loose}");
    }
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn an_address_is_its_one_form() {
    let artefacts = Artefacts::new();
    let http = |url: &str, allow_private| {
        let spec = ServerSpec {
            name: "s".parse().unwrap(),
            transport: Transport::Http(HttpSpec {
                url: url.to_owned(),
                allow_private,
            }),
            shareable: true,
        };
        artefacts.identify(&spec, OsStr::new(""))
    };
    let one = http("https://Example.org:443/mcp", false).unwrap();
    assert_eq!(one.digest, http("https://example.org/mcp", true).unwrap().digest);
    assert_ne!(
        one.digest,
        http("https://example.org/mcp/", false).unwrap().digest
    );
    assert!(http("example.org", false).is_err());
}

#[test]
fn a_command_is_found_in_the_given_path_only() {
    let dir = scratch("path");
    program(&dir, "here", "x");
    fs::write(dir.join("plain"), "x").unwrap();
    let path = dir.clone().into_os_string();
    assert_eq!(
        resolve(OsStr::new("here"), None, &path).unwrap(),
        dir.join("here")
    );
    assert_eq!(
        resolve(OsStr::new("./here"), Some(&dir), OsStr::new("")).unwrap(),
        dir.join("./here")
    );
    for missing in ["", "plain", "sh", "./nothing", "."] {
        assert!(
            resolve(OsStr::new(missing), Some(&dir), &path).is_err(),
            "{missing}"
        );
    }
    assert!(
        resolve(OsStr::new("here"), Some(&dir), OsStr::new(".:")).is_err(),
        "relative entries are skipped"
    );
    fs::remove_dir_all(&dir).unwrap();
}
