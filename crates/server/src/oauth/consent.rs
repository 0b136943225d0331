//! The consent page: what a person reads before a task is opened for a client. It shows what will be so, computed by the
//! same code that opens the task; what is opened is what was shown, by digest.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use maud::{Markup, html};
use remit_core::authority::{Authority, Budget, Scope};
use remit_core::decision::Tier;
use remit_core::digest::Digest;
use remit_core::name::Name;
use remit_core::people::Role;
use remit_core::task::{Intent, Mode, Task};
use remit_core::tool::ToolClass;
use remit_core::verb::Narrowed;

use super::authorize::{Asked, sealed};
use super::client::Client;
use super::form::Form;
use super::{redirect, resource};
use crate::app::{App, Failure};
use crate::config::duration_ms;
use crate::engine::world::World;
use crate::humans::page;
use crate::humans::session::Session;
use crate::people::{self, NewAgent};
use crate::tasks::open::{self, NewTask};

/// Most tools named in one list.
const NAMED_MAX: usize = 12;
/// What the box for the time offers.
const TIMES: [(&str, &str); 5] = [
    ("15m", "15 minutes"),
    ("1h", "1 hour"),
    ("4h", "4 hours"),
    ("8h", "8 hours"),
    ("24h", "24 hours"),
];

/// What the person has put into the page so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub goal: String,
    pub template: Option<String>,
    pub set: BTreeMap<String, String>,
    pub ttl: String,
    /// Digest of what the page showed.
    pub shown: Option<String>,
}

impl Choice {
    /// What stands there at first.
    pub fn first(client: &Client) -> Self {
        Self {
            template: client.template.as_ref().map(ToString::to_string),
            set: client.set.clone(),
            ttl: "1h".to_owned(),
            ..Self::default()
        }
    }

    /// What a form says.
    pub fn of(form: &Form) -> Self {
        Self {
            goal: form.get("goal").unwrap_or_default().trim().to_owned(),
            template: form
                .get("template")
                .filter(|name| *name != "-")
                .map(str::to_owned),
            set: form
                .under("set.")
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            ttl: form.get("ttl").unwrap_or("1h").to_owned(),
            shown: form.get("shown").map(str::to_owned),
        }
    }
}

/// A task as it would be opened.
pub(super) struct Offer {
    pub new: NewTask,
    pub task: Task,
    pub ttl_ms: i64,
    pub digest: Digest,
}

/// What would be opened for a choice; its digest covers all of it but the person's own words.
///
/// # Errors
/// [`Failure`] says what is missing or cannot be.
pub(super) async fn offer(
    app: &Arc<App>,
    session: &Session,
    client: &Client,
    asked: &Asked,
    choice: &Choice,
) -> Result<Offer, Failure> {
    let ttl_ms =
        i64::try_from(duration_ms(&choice.ttl).map_err(Failure::Invalid)?).map_err(Failure::invalid)?;
    let template: Option<Name> = choice
        .template
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(Failure::invalid)?;
    let known = match &template {
        Some(name) => app.world().templates.get(name).cloned(),
        None => None,
    };
    let mut new = NewTask::new(
        client.agent.clone(),
        Intent {
            // What is shown does not depend on the words; opening asks for them.
            goal: if choice.goal.is_empty() {
                "to be said".to_owned()
            } else {
                choice.goal.clone()
            },
            purpose: format!("asked by the client {}", client.id),
        },
    );
    new.set = choice
        .set
        .iter()
        .filter(|(key, _)| {
            known
                .as_ref()
                .is_some_and(|known| known.parameters.contains_key(*key))
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    new.template = template;
    new.ttl_ms = Some(ttl_ms);
    new.limit = resource::limit(app, &asked.resource);
    expect_agent(app, session, client)?;
    let task = open::preview(app, new.clone(), &session.human)?;
    let shown = format!(
        "{}\n{:?}\n{:?}\n{}\n{}\n{}\n{}",
        task.agent,
        task.template,
        new.set,
        task.mode.as_str(),
        ttl_ms,
        remit_store::codec::authority_to_json(&task.authority),
        task.cut.join("\n"),
    );
    Ok(Offer {
        new,
        task,
        ttl_ms,
        digest: Digest::of(shown.as_bytes()),
    })
}

fn expect_agent(app: &App, session: &Session, client: &Client) -> Result<(), Failure> {
    let known = app.world().agents.contains_key(&client.agent);
    if known || people::expect_role(app, &session.human, &Role::Administrator).is_ok() {
        return Ok(());
    }
    Err(Failure::Forbidden(format!(
        "nobody has registered an agent for this client: an administrator runs `remit agent add {} --owner {}`",
        client.agent, session.human
    )))
}

/// Registers the agent of a client the first time, as the administrator's who opens the task.
///
/// # Errors
/// [`Failure`] when they may not.
pub(super) async fn register_agent(
    app: &Arc<App>,
    session: &Session,
    client: &Client,
) -> Result<(), Failure> {
    if app.world().agents.contains_key(&client.agent) {
        return Ok(());
    }
    let new = NewAgent {
        name: client.agent.clone(),
        owner: session.human.clone(),
        backup_owner: None,
        purpose: format!("the client {}", client.id),
        ceiling: None,
    };
    people::add_agent(app, new, &session.human).await.map(drop)
}

/// The page, with what would be opened now; `notice` says why it is shown again.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be made.
pub(super) async fn show(
    app: &Arc<App>,
    session: &Session,
    client: &Client,
    asked: &Asked,
    choice: &Choice,
    notice: Option<&str>,
) -> Result<Response<Body>, Failure> {
    let offered = match offer(app, session, client, asked, choice).await {
        Err(Failure::Unavailable(why)) => return Err(Failure::Unavailable(why)),
        other => other.map_err(|failure| failure.to_string()),
    };
    let request = sealed(app, session, asked)?;
    let templates = Arc::clone(&app.world().templates);
    let chosen = choice
        .template
        .as_deref()
        .and_then(|name| templates.values().find(|template| template.name.as_str() == name));
    let ready = offered.is_ok();
    let notice = notice.or(offered.as_ref().err().map(String::as_str));
    let body = html! {
        div class="who" {
            span { "Signed in as " strong { (session.human.as_str()) } }
            form method="post" action="/sign-out" { button class="plain" { "not you?" } }
        }
        h1 { "Open a task for " (client.name) "?" }
        p class="soft" { "It gets what you see below, for this task and no longer. Every call is checked, recorded, and can be stopped." }
        dl {
            dt { "Who asks" }
            dd {
                (client.name)
                @match &client.host {
                    Some(host) => { " - described by itself at " code { (host) } }
                    None => { " - registered in the configuration of this installation" }
                }
            }
            dt { "Answer goes to" } dd { code { (redirect::form_target(&asked.redirect_uri)) } }
            dt { "Works as agent" } dd { code { (client.agent.as_str()) } ", on behalf of you" }
            dt { "Reaches" } dd { code { (asked.resource) } }
        }
        @if let Some(why) = notice {
            div class="notice" role="alert" { (why) }
        }
        form method="post" action="/oauth/authorize" {
            input type="hidden" name="request" value=(request);
            @if let Ok(offer) = &offered {
                input type="hidden" name="shown" value=(offer.digest.to_string());
            }
            (inputs(choice, &templates, chosen))
            @if let Ok(offer) = &offered { (consequences(&app.world(), offer)) }
            div class="actions" {
                // The first button is what the Enter key presses: looking, never opening.
                button name="action" value="show" { @if ready { "Show again" } @else { "Show what it may do" } }
                @if ready { button class="go" name="action" value="open" { "Open the task" } }
                button class="no" name="action" value="refuse" formnovalidate { "Refuse" }
            }
        }
    };
    let targets = [redirect::form_target(&asked.redirect_uri)];
    Ok(page::page(StatusCode::OK, "Open a task", &body, &targets))
}

fn inputs(
    choice: &Choice,
    templates: &crate::policies::Templates,
    chosen: Option<&remit_policy::Template>,
) -> Markup {
    html! {
        fieldset {
            legend { "The task" }
            label for="goal" { "What shall be reached? " span class="soft" { "One sentence, in your words" } }
            textarea id="goal" name="goal" required maxlength="2000" { (choice.goal) }
            div class="pair" {
                div {
                    label for="template" { "Kind of task" }
                    select id="template" name="template" {
                        option value="-" selected[chosen.is_none()] { "Looking only: read, change nothing" }
                        @for template in templates.values().filter(|template| template.name.as_str() != "conformance") {
                            option value=(template.name.as_str()) selected[chosen.is_some_and(|chosen| chosen.name == template.name)] {
                                (template.name.as_str()) ": " (template.description)
                            }
                        }
                    }
                }
                div {
                    label for="ttl" { "For how long?" }
                    select id="ttl" name="ttl" {
                        @for (value, text) in TIMES {
                            option value=(value) selected[choice.ttl == value] { (text) }
                        }
                    }
                }
            }
            @for (name, parameter) in chosen.into_iter().flat_map(|chosen| &chosen.parameters) {
                label for={ "set." (name) } { (name) " " span class="soft" { (parameter.description) } }
                input type="text" id={ "set." (name) } name={ "set." (name) }
                    value=(choice.set.get(name).or(parameter.default.as_ref()).map_or("", String::as_str))
                    required[parameter.default.is_none()];
            }
        }
    }
}

/// Tools by what will happen when they are called.
#[derive(Default)]
struct Consequences {
    alone: Vec<String>,
    asks: Vec<String>,
    never: usize,
}

fn consequences(world: &World, offer: &Offer) -> Markup {
    let authority = &offer.task.authority;
    let tools = sorted(world, authority, offer.task.mode);
    html! {
        fieldset {
            legend { "What this allows" }
            div class="box may" {
                h2 { "By itself" }
                (list(&tools.alone, "nothing: every call waits for a person, or no tool is registered yet"))
                p class="soft" { (reach(authority)) }
            }
            @if !tools.asks.is_empty() {
                div class="box asks" {
                    h2 { "Only after a person says yes to that one call" }
                    (list(&tools.asks, ""))
                }
            }
            div class="box" {
                h2 { "Never" }
                ul {
                    li { "anything else" @if tools.never > 0 { ", such as the other " (tools.never) " tools registered here" } }
                    li { "anything after the task has ended: it lasts " (lasts(offer.ttl_ms)) ", and is renewed only by a new decision" }
                    li { "seeing a password or key of the systems it reaches" }
                    @for cut in &offer.task.cut { li { "cut: " (cut) } }
                }
            }
            p class="soft" { "Rules of this installation, freezes and what the task has read may hold back more, call by call." }
        }
    }
}

fn list(items: &[String], nothing: &str) -> Markup {
    html! {
        ul {
            @if items.is_empty() { li { (nothing) } }
            @for item in items.iter().take(NAMED_MAX) { li { code { (item) } } }
            @if items.len() > NAMED_MAX { li { "and " (items.len() - NAMED_MAX) " more" } }
        }
    }
}

fn reach(authority: &Authority) -> String {
    let mut text = match &authority.resources {
        Scope::Any => "Within: everything these tools reach.".to_owned(),
        Scope::Only(roots) if roots.is_empty() => "Within: nothing that can be named.".to_owned(),
        Scope::Only(roots) => {
            let roots: Vec<String> = roots.iter().map(ToString::to_string).collect();
            format!("Within: {}.", roots.join(", "))
        }
    };
    for (root, verbs) in &authority.narrowed.0 {
        text.push_str(&format!(" In {root} only: {}.", Narrowed::text(verbs)));
    }
    if let Scope::Only(destinations) = &authority.destinations
        && !destinations.is_empty()
    {
        let names: Vec<String> = destinations.iter().map(ToString::to_string).collect();
        text.push_str(&format!(" May send to: {}.", names.join(", ")));
    }
    for (budget, most) in &authority.budgets {
        text.push_str(&match budget {
            Budget::Calls => format!(" At most {most} calls."),
            Budget::Class(class) => format!(" At most {most} calls that {class}."),
            Budget::Tool(tool) => format!(" At most {most} calls of {tool}."),
            Budget::Sum(argument) => format!(
                " At most {most} in all for {} of {}.",
                argument.pointer, argument.tool
            ),
            Budget::Rows(database) => format!(" At most {most} rows of {database}."),
        });
    }
    text
}

fn lasts(ttl_ms: i64) -> String {
    let minutes = ttl_ms / 60_000;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} minutes"),
        (1, 0) => "1 hour".to_owned(),
        (hours, 0) => format!("{hours} hours"),
        (hours, minutes) => format!("{hours} hours {minutes} minutes"),
    }
}

fn sorted(world: &World, authority: &Authority, mode: Mode) -> Consequences {
    let mut found = Consequences::default();
    let mut tools: Vec<_> = world
        .registry
        .tools()
        .filter(|entry| !entry.is_surface())
        .collect();
    // What changes most comes first: lists are cut short.
    tools.sort_by_key(|entry| std::cmp::Reverse(entry.tool.classification.class));
    for entry in tools {
        let (name, class) = (&entry.tool.name, entry.tool.classification.class);
        let selects = |selector: &remit_core::authority::ToolSelector| selector.selects(name, class);
        let tier = authority
            .stricter
            .iter()
            .filter(|(selector, _)| selects(selector))
            .map(|(_, tier)| *tier)
            .max();
        let within = entry.is_callable()
            && authority.tools.iter().any(selects)
            && authority.classes.contains(&class)
            && (mode == Mode::Execute || class == ToolClass::Read)
            && tier != Some(Tier::Never);
        if !within {
            found.never += 1;
            continue;
        }
        let agreed = authority.agreed.iter().any(selects);
        let asks = match class {
            ToolClass::Read => false,
            ToolClass::Write => !agreed && !authority.resources.is_bounded(),
            ToolClass::Delete | ToolClass::Exec => !agreed || entry.tool.classification.marks.irreversible,
            ToolClass::Transfer => !agreed && authority.destinations.is_bounded(),
            ToolClass::Privilege => true,
        } || entry.tool.classification.marks.mints && !agreed
            || tier.is_some_and(|tier| tier >= Tier::Approve);
        let line = format!("{name} ({class})");
        if asks {
            found.asks.push(line);
        } else {
            found.alone.push(line);
        }
    }
    found
}
