//! Servers: added by a person, pinned by identity, started or dialled only through links.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use remit_confine::LaunchSpec;
use remit_core::id::ServerId;
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::tool::{Tool, ToolRef, ToolState};
use remit_credentials::detect;
use remit_gateway::ports::Era;
use remit_store::Epoch;
use remit_store::servers::{Server, Transport as Stored};
use remit_store::tools::RegisteredTool;
use remit_upstream::{
    Artefacts, Environment, HttpSpec, Identity, Introspection, Launcher, ServerSpec, StdioSpec,
    SystemResolver, Transport,
};

use super::definition::Finding;
use super::observe::{Shown, shown};
use super::snapshot::ServerEntry;
use super::surface;
use crate::app::{App, Failure};
use crate::egress::way_out::{SECRET, secret_of};
use crate::engine::links::{For, link};
use crate::engine::record;

/// A server as a person describes it.
#[derive(Clone, Debug)]
pub struct NewServer {
    /// Its name here.
    pub name: Name,
    /// Where it is.
    pub transport: Stored,
    /// Its address may be on this machine or in a private network.
    pub allow_private: bool,
    /// One process or session may serve several tasks.
    pub shareable: bool,
    /// A stdio server keeps the machine's network, where nobody decides what it does.
    pub uncontained: bool,
    /// Environment of a stdio server.
    pub environment: Vec<(String, String)>,
    /// Working folder of a stdio server.
    pub cwd: Option<PathBuf>,
    /// An artefact that is not pinned to a version is accepted.
    pub accept_floating: bool,
}

/// What came of adding or looking at a server.
#[derive(Clone, Debug, Default)]
pub struct Added {
    /// Digest of its identity, as text.
    pub identity: String,
    /// What is not pinned, if anything.
    pub floating: Option<String>,
    /// Nothing was seen of it yet: a person has to sign in first.
    pub needs_reauth: Option<String>,
    /// Tools usable now.
    pub admitted: Vec<AddedTool>,
    /// Tools a person has to look at.
    pub quarantined: Vec<AddedTool>,
}

/// One tool of an added server.
#[derive(Clone, Debug)]
pub struct AddedTool {
    /// Name as the server gives it.
    pub tool: String,
    /// Proposed class.
    pub class: Option<String>,
    /// Cannot be undone.
    pub irreversible: bool,
    /// Why this class.
    pub because: String,
    /// What a person has to see.
    pub findings: Vec<Finding>,
}

/// Refuses names that stand for us: rules and records take them for Remit itself, whoever registers under them.
///
/// # Errors
/// [`Failure::Invalid`].
pub fn expect_free(name: &Name) -> Result<(), Failure> {
    if crate::tasks::builtin::is(name) || name.as_str() == crate::egress::UNKNOWN {
        return Err(Failure::invalid(format!(
            "the name `{name}` is ours: choose another"
        )));
    }
    Ok(())
}

/// Adds a server: pins its identity, looks at it once, admits the tools whose class the rules propose, quarantines the
/// rest.
///
/// # Errors
/// [`Failure`] with what is wrong; when the server cannot be started or reached nothing is registered.
pub async fn add(app: &Arc<App>, new: NewServer, by: &Name) -> Result<Added, Failure> {
    crate::people::expect_role(app, by, &remit_core::people::Role::Administrator)?;
    expect_free(&new.name)?;
    if app.world().registry.server(&new.name).is_some() {
        return Err(Failure::Conflict(format!(
            "a server `{}` is registered already: retire it first, or use another name",
            new.name
        )));
    }
    let cwd = new.cwd.as_deref().map(working_folder).transpose()?;
    let mut server = Server {
        name: new.name.clone(),
        cwd,
        id: ServerId::fresh(app.clock.now(), &*app.entropy)?,
        transport: new.transport,
        allow_private: new.allow_private,
        shareable: new.shareable,
        uncontained: new.uncontained,
        environment: new.environment,
        identity: None,
        retired: false,
    };
    expect_no_secrets(app, &server)?;
    let spec = spec_of(app, &server)?;
    let identity = identify(app, spec).await?;
    server.identity = Some(identity.digest);
    register(app, &server, &identity, by).await?;
    app.reload().await?;
    match look(app, &server.name).await {
        Ok(seen) => admit_plain(app, &server.name, &seen, &identity, new.accept_floating, by).await,
        // It stays, so that somebody can sign in to it.
        Err(Failure::NeedsReauth(needs)) => Ok(Added {
            identity: identity.digest.to_string(),
            needs_reauth: Some(needs),
            ..Added::default()
        }),
        Err(failure) => {
            retire(app, &server.name, by).await?;
            Err(failure)
        }
    }
}

/// What is written for the environment of a server we start: secrets by name where they can be swapped, none in the clear
/// where they need not be.
fn expect_no_secrets(app: &App, server: &Server) -> Result<(), Failure> {
    let why_not = match (&server.transport, server.uncontained, &app.contains) {
        (Stored::Command(_), false, Ok(())) => None,
        (Stored::Command(_), true, _) => Some("it keeps the machine's network (`--uncontained`)".to_owned()),
        (Stored::Command(_), false, Err(why)) => Some(why.clone()),
        _ => return Ok(()),
    };
    let secrets = app.broker.secrets();
    for (variable, value) in &server.environment {
        let variable = crate::approvals::card::escape(variable);
        if value.starts_with(SECRET) {
            let secret = secret_of(value).and_then(|name| secrets.get(&name));
            if let Some(why) = &why_not {
                return Err(Failure::Invalid(format!(
                    "`{variable}` names a secret, which is put in on the server's way out, and `{}` has none: {why}",
                    server.name
                )));
            }
            if server.shareable {
                return Err(Failure::Invalid(format!(
                    "`{variable}` names a secret, and placeholders are made for one run: a shareable server gets none"
                )));
            }
            if secret.is_none_or(|secret| secret.retired || secret.system.is_none()) {
                return Err(Failure::Invalid(format!(
                    "`{variable}` names no secret of a system: add it with `remit secret add NAME --system SYSTEM`"
                )));
            }
        } else if why_not.is_none()
            && let Some(found) = detect::find(value)
                .iter()
                .find(|found| matches!(found.kind, detect::Kind::Known(_)))
        {
            return Err(Failure::Invalid(format!(
                "`{variable}` holds a credential ({}): `remit secret add NAME --system SYSTEM` keeps it, and `{SECRET}NAME` stands for it here",
                detect::masked(value, found)
            )));
        }
    }
    Ok(())
}

/// A folder a server can work in, as text.
fn working_folder(folder: &Path) -> Result<String, Failure> {
    let shown = crate::approvals::card::escape(&folder.to_string_lossy());
    if !folder.is_absolute() {
        return Err(Failure::Invalid(format!(
            "the working folder `{shown}` is not an absolute path: write it from `/` on"
        )));
    }
    if !folder.is_dir() {
        return Err(Failure::Invalid(format!(
            "the working folder `{shown}` does not exist: make it first"
        )));
    }
    let text = folder.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::Invalid(format!("the working folder `{shown}` is not UTF-8")))
}

async fn register(app: &Arc<App>, server: &Server, identity: &Identity, by: &Name) -> Result<(), Failure> {
    let mut detail = Object::new();
    detail.insert("server", server.name.as_str());
    detail.insert("identity", identity.inputs.clone());
    if server.uncontained {
        detail.insert("uncontained", true);
    }
    let mut record = record::by_human("server.add", by, detail);
    record.digest = Some(identity.digest);
    let server = server.clone();
    app.store
        .append(record, move |tx| {
            match remit_store::servers::get(tx, &server.name)? {
                None => remit_store::servers::add(tx, &server)?,
                Some(mut retired) => {
                    retired.value = server.clone();
                    remit_store::servers::put(tx, &retired)?;
                }
            }
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    Ok(())
}

/// Opens a link for the registry and reads what the server shows.
async fn look(app: &Arc<App>, name: &Name) -> Result<Introspection, Failure> {
    let world = app.world();
    let entry = world.registry.server(name).ok_or_else(|| no_server(name))?;
    let opened = link(app, For::Registry, entry, Era::Modern).await?;
    let seen = crate::engine::links::introspect_for_registry(app, &opened, name).await;
    if !entry.server.shareable {
        for closing in app.links.take_server(name) {
            closing.connection.close().await;
        }
    }
    seen
}

/// Looks at a server for the first time after `by` signed in to it.
///
/// # Errors
/// As [`add`].
pub async fn first_look(app: &Arc<App>, name: &Name, by: &Name) -> Result<Added, Failure> {
    let world = app.world();
    let entry = world.registry.server(name).ok_or_else(|| no_server(name))?;
    let identity = identify(app, spec_of(app, &entry.server)?).await?;
    let seen = look(app, name).await?;
    admit_plain(app, name, &seen, &identity, false, by).await
}

/// Looks at a server again: new and changed tools are quarantined.
///
/// # Errors
/// [`Failure`] when it is not registered, or cannot be started or reached.
pub async fn refresh(app: &Arc<App>, name: &Name) -> Result<Added, Failure> {
    look(app, name).await?;
    let world = app.world();
    let entry = world.registry.server(name).ok_or_else(|| no_server(name))?;
    let mut added = Added {
        identity: entry.server.identity.map_or_else(String::new, |d| d.to_string()),
        ..Added::default()
    };
    for tool in entry
        .tools
        .values()
        .filter(|tool| !tool.is_surface() || !tool.is_callable())
    {
        let findings = tool.definition.findings(&[]);
        let shown = AddedTool {
            tool: tool.tool.name.tool.to_string(),
            class: Some(tool.tool.classification.class.to_string()),
            irreversible: tool.tool.classification.marks.irreversible,
            because: tool.tool.classification.because.clone(),
            findings,
        };
        if tool.is_callable() {
            added.admitted.push(shown);
        } else {
            added.quarantined.push(shown);
        }
    }
    Ok(added)
}

/// Admits what a person need not look at; the person who adds the server answers for that.
async fn admit_plain(
    app: &Arc<App>,
    server: &Name,
    seen: &Introspection,
    identity: &Identity,
    accept_floating: bool,
    by: &Name,
) -> Result<Added, Failure> {
    let world = app.world();
    let known: Vec<ToolRef> = world
        .registry
        .tools()
        .map(|t| t.tool.name.clone())
        .filter(|tool| tool.server != *server)
        .collect();
    let may_admit = identity.floating.is_none() || accept_floating;
    let mut added = Added {
        identity: identity.digest.to_string(),
        floating: identity.floating.clone(),
        ..Added::default()
    };
    let mut admit = Vec::new();
    for shown in shown(server, seen, &known) {
        let plain = may_admit && shown.is_plain();
        if plain && let Ok(name) = &shown.name {
            admit.push(ToolRef {
                server: server.clone(),
                tool: name.clone(),
            });
        }
        let is_tool = shown.name.as_ref().is_ok_and(|name| !surface::is_surface(name));
        if is_tool || !plain {
            let list = if plain {
                &mut added.admitted
            } else {
                &mut added.quarantined
            };
            list.push(describe(&shown));
        }
    }
    super::admit::admit(app, &admit, None, by).await?;
    Ok(added)
}

fn describe(shown: &Shown) -> AddedTool {
    let proposal = shown.proposal.as_ref();
    AddedTool {
        tool: crate::approvals::card::escape(&shown.definition.raw_name),
        class: proposal.map(|p| p.class.to_string()),
        irreversible: proposal.is_some_and(|p| p.marks.irreversible),
        because: proposal.map_or_else(
            || "no rule knows this name: a person has to say what it does".to_owned(),
            |p| p.because.clone(),
        ),
        findings: shown.findings.clone(),
    }
}

/// Adds the servers of the configuration that are not registered yet. One that cannot be added is left out, loudly.
pub async fn add_configured(app: &Arc<App>) {
    for (name, configured) in &app.config.servers {
        let Ok(name) = name.parse::<Name>() else {
            tracing::error!(server = %name, "the name of a configured server cannot be used: lowercase letters, digits, `-`");
            continue;
        };
        if app.world().registry.server(&name).is_some() {
            continue;
        }
        let transport = match &configured.url {
            Some(url) => Stored::Url(url.clone()),
            None => Stored::Command(configured.command.clone()),
        };
        let new = NewServer {
            name: name.clone(),
            transport,
            allow_private: configured.allow_private,
            shareable: configured.shareable,
            uncontained: configured.uncontained,
            environment: configured.env.clone().into_iter().collect(),
            cwd: configured.cwd.clone(),
            accept_floating: configured.accept_floating,
        };
        if let Err(failure) = add(app, new, &app.me.clone()).await {
            tracing::error!(server = %name, %failure, "a configured server could not be added");
        }
    }
}

/// Retires a server and its tools.
///
/// # Errors
/// [`Failure::NotFound`] when it is not registered.
pub async fn retire(app: &Arc<App>, name: &Name, by: &Name) -> Result<(), Failure> {
    let mut detail = Object::new();
    detail.insert("server", name.as_str());
    let record = record::by_human("server.retire", by, detail);
    let server = name.clone();
    app.store
        .append(record, move |tx| {
            let Some(mut stored) = remit_store::servers::get(tx, &server)? else {
                return Err(remit_store::Refused::NotFound {
                    what: "servers",
                    key: server.to_string(),
                }
                .into());
            };
            stored.retired = true;
            remit_store::servers::put(tx, &stored)?;
            for mut tool in remit_store::tools::of_server(tx, &server)? {
                let retired = RegisteredTool {
                    tool: Tool {
                        state: ToolState::Retired,
                        ..tool.tool.clone()
                    },
                    admitted: None,
                };
                tool.value = retired;
                remit_store::tools::put(tx, &tool)?;
            }
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    for closing in app.links.take_server(name) {
        closing.connection.close().await;
    }
    app.reload().await?;
    Ok(())
}

fn no_server(name: &Name) -> Failure {
    Failure::NotFound(format!("no server `{name}` is registered: see `remit mcp list`"))
}

/// The dialler's description of a stored server.
///
/// # Errors
/// [`Failure::Invalid`] when the address cannot be used.
pub fn spec_of(app: &App, server: &Server) -> Result<ServerSpec, Failure> {
    let transport = match &server.transport {
        Stored::Url(url) => {
            let spec = HttpSpec {
                url: url.clone(),
                allow_private: server.allow_private,
            };
            spec.parse().map_err(Failure::invalid)?;
            Transport::Http(spec)
        }
        Stored::Database(_) => {
            return Err(Failure::invalid(format!(
                "`{}` is a database of remit.toml: Remit serves it itself",
                server.name
            )));
        }
        Stored::System(_) => {
            return Err(Failure::invalid(
                "it is a system reached over HTTP, not an MCP server",
            ));
        }
        Stored::Command(words) => {
            let mut words = words.iter().map(OsString::from);
            let command = words
                .next()
                .ok_or_else(|| Failure::invalid("the command of the server is empty"))?;
            let mut env: Vec<(OsString, OsString)> = vec![
                ("PATH".into(), app.search_path.clone()),
                ("LANG".into(), "C.UTF-8".into()),
                ("HOME".into(), server_home(app).into_os_string()),
            ];
            env.extend(
                server
                    .environment
                    .iter()
                    .map(|(name, value)| (name.into(), value.into())),
            );
            Transport::Stdio(StdioSpec {
                command,
                args: words.collect(),
                cwd: server.cwd.as_ref().map(PathBuf::from),
                env,
            })
        }
    };
    Ok(ServerSpec {
        name: server.name.clone(),
        transport,
        shareable: server.shareable,
    })
}

/// Stdio servers get a home of their own, away from the user's keys.
fn server_home(_: &App) -> PathBuf {
    std::env::temp_dir()
}

async fn identify(app: &Arc<App>, spec: ServerSpec) -> Result<Identity, Failure> {
    static ARTEFACTS: OnceLock<Artefacts> = OnceLock::new();
    let search_path = app.search_path.clone();
    let found = tokio::task::spawn_blocking(move || {
        ARTEFACTS
            .get_or_init(Artefacts::new)
            .identify(&spec, &search_path)
    });
    found
        .await
        .map_err(Failure::unavailable)?
        .map_err(Failure::invalid)
}

/// Refuses a server that is not the one that was added: another address, another executable, another script.
///
/// # Errors
/// [`Failure::Conflict`] naming what to do.
pub async fn expect_identity(app: &Arc<App>, entry: &ServerEntry, spec: &ServerSpec) -> Result<(), Failure> {
    let found = identify(app, spec.clone()).await?;
    if Some(found.digest) == entry.server.identity {
        return Ok(());
    }
    let mut record = record::of("server.drift");
    record.detail.insert("server", entry.server.name.as_str());
    record.detail.insert("found", Value::Object(found.inputs));
    record.reason = Some("capability_drift".to_owned());
    app.store.append(record, |_| Ok(())).await?;
    Err(Failure::Conflict(format!(
        "server `{0}` is not the one that was added (its program or address changed): look at it, then `remit mcp add {0}` again",
        entry.server.name
    )))
}

/// Whom we trust over TLS: the Web PKI, and what `[egress] ca_file` adds.
fn trust(app: &App) -> Result<Arc<remit_upstream::Tls>, Failure> {
    let Some(path) = &app.config.egress.ca_file else {
        return remit_upstream::tls_config().map_err(Failure::unavailable);
    };
    let path = app.paths.config.join(path);
    let bad = |why: String| Failure::Unavailable(format!("`[egress] ca_file` `{}`: {why}", path.display()));
    let pem = std::fs::read(&path).map_err(|error| bad(error.to_string()))?;
    remit_upstream::tls_config_and(&pem).map_err(bad)
}

/// What the dialler needs from us; the secrets to scrub are those of this moment.
///
/// # Errors
/// [`Failure::Unavailable`] when TLS cannot be set up or there are too many secrets.
pub fn environment(app: &App) -> Result<Environment, Failure> {
    let scrubber = app.known_secrets.search(app)?;
    if let Some(made) = app.dialler.get() {
        return Ok(Environment {
            scrubber,
            ..made.clone()
        });
    }
    let confine = LaunchSpec {
        denied: app.paths.denied_to_runs(),
        doors: remit_confine::probe::doors(),
        new_session: true,
        ..LaunchSpec::default()
    };
    let made = Environment {
        clock: Arc::clone(&app.clock),
        launcher: Launcher {
            exe: app.launcher.clone(),
            confine,
        },
        resolver: Arc::new(SystemResolver),
        tls: trust(app)?,
        scrubber: Arc::clone(&scrubber),
        search_path: app.search_path.clone(),
    };
    Ok(Environment {
        scrubber,
        ..app.dialler.get_or_init(|| made).clone()
    })
}
