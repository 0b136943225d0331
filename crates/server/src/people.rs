//! Humans and agents: registered, suspended, retired; and what a person may do.

use std::collections::BTreeSet;
use std::sync::Arc;

use remit_core::authority::Authority;
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::people::{Agent, Human, Kind, Role, Standing};
use remit_store::{Epoch, Refused};

use crate::app::{App, Failure};
use crate::engine::record;

/// Refuses a person who is unknown, not active, or does not hold `role`.
///
/// # Errors
/// [`Failure::Forbidden`] saying what is missing.
pub fn expect_role(app: &App, human: &Name, role: &Role) -> Result<(), Failure> {
    let world = app.world();
    let known = world.humans.get(human).ok_or_else(|| no_human(human))?;
    if known.may(role) {
        return Ok(());
    }
    if known.standing != Standing::Active {
        return Err(Failure::Forbidden(format!(
            "{human} is {}",
            known.standing.as_str()
        )));
    }
    Err(Failure::Forbidden(format!(
        "{human} may not do this: it needs the role `{role}`"
    )))
}

fn no_human(human: &Name) -> Failure {
    Failure::Forbidden(format!(
        "no human `{human}` is registered: `remit human add {human} --role initiator`"
    ))
}

/// An agent as a person describes it.
#[derive(Clone, Debug)]
pub struct NewAgent {
    /// Name.
    pub name: Name,
    /// Who answers for it.
    pub owner: Name,
    /// Who answers when the owner cannot.
    pub backup_owner: Option<Name>,
    /// What it is for.
    pub purpose: String,
    /// The most it may ever hold; nothing said = no ceiling beyond policy.
    pub ceiling: Option<Authority>,
}

/// Registers an agent.
///
/// # Errors
/// [`Failure`] when the name is taken, the owner is unknown, or the person may not.
pub async fn add_agent(app: &Arc<App>, new: NewAgent, by: &Name) -> Result<Agent, Failure> {
    expect_role(app, by, &Role::Administrator)?;
    let world = app.world();
    for owner in std::iter::once(&new.owner).chain(&new.backup_owner) {
        if world
            .humans
            .get(owner)
            .is_none_or(|human| human.standing != Standing::Active)
        {
            return Err(Failure::invalid(format!(
                "the owner `{owner}` is not an active human here: `remit human add {owner} --role initiator`"
            )));
        }
    }
    let agent = Agent {
        name: new.name,
        owner: new.owner,
        backup_owner: new.backup_owner,
        purpose: new.purpose,
        ceiling: new.ceiling.unwrap_or_else(Authority::unbounded),
        standing: Standing::Active,
    };
    let mut detail = Object::new();
    detail.insert("owner", agent.owner.as_str());
    let mut entry = record::by_human("agent.add", by, detail);
    entry.agent = Some(agent.name.to_string());
    let added = agent.clone();
    app.store
        .append(entry, move |tx| {
            remit_store::agents::add(tx, &added)?;
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    app.reload().await?;
    Ok(agent)
}

/// A person, or a system that opens tasks, as an administrator describes them.
#[derive(Clone, Debug)]
pub struct NewHuman {
    /// Name.
    pub name: Name,
    /// Whether it is a person.
    pub kind: Kind,
    /// Roles and groups.
    pub roles: BTreeSet<Role>,
    /// Their own rights; `None` = not limited below the guardrails.
    pub authority: Option<Authority>,
}

impl NewHuman {
    /// A person with these roles.
    #[must_use]
    pub const fn new(name: Name, roles: BTreeSet<Role>) -> Self {
        Self {
            name,
            kind: Kind::Human,
            roles,
            authority: None,
        }
    }
}

/// Registers a human, or a system that opens tasks.
///
/// # Errors
/// [`Failure`] when the name is taken, a system would get more than opening tasks, or the person may not.
pub async fn add_human(app: &Arc<App>, new: NewHuman, by: &Name) -> Result<Human, Failure> {
    expect_role(app, by, &Role::Administrator)?;
    if new.roles.is_empty() {
        return Err(Failure::invalid(
            "a human needs at least one role: initiator, approver, auditor, administrator or a group",
        ));
    }
    if new.kind != Kind::Human && new.roles != BTreeSet::from([Role::Initiator]) {
        return Err(Failure::invalid(
            "a system only opens tasks: its one role is `initiator`",
        ));
    }
    let human = Human {
        name: new.name,
        kind: new.kind,
        authority: new.authority,
        roles: new.roles,
        standing: Standing::Active,
    };
    put_human(app, human, by).await
}

pub(crate) async fn put_human(app: &Arc<App>, human: Human, by: &Name) -> Result<Human, Failure> {
    let mut detail = Object::new();
    detail.insert("human", human.name.as_str());
    detail.insert(
        "roles",
        human
            .roles
            .iter()
            .map(|role| Value::from(role.to_string()))
            .collect::<Vec<_>>(),
    );
    detail.insert("kind", human.kind.as_str());
    if let Some(rights) = &human.authority {
        detail.insert("rights", remit_store::codec::authority_to_json(rights));
    }
    let entry = record::by_human("human.add", by, detail);
    let (added, adder) = (human.clone(), by.clone());
    app.store
        .append(entry, move |tx| {
            remit_store::humans::add(tx, &added)?;
            remit_store::seniority::attribute(tx, &added.name, &adder)?;
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    app.reload().await?;
    Ok(human)
}

/// Changes an agent's standing; suspending or retiring takes the authority of its open tasks away.
///
/// # Errors
/// [`Failure`] when it is unknown, retired already, or the person may not.
pub async fn set_agent(app: &Arc<App>, name: &Name, standing: Standing, by: &Name) -> Result<(), Failure> {
    expect_role(app, by, &Role::Administrator)?;
    let mut entry = record::by_human(&format!("agent.{}", standing.as_str()), by, Object::new());
    entry.agent = Some(name.to_string());
    let agent = name.clone();
    app.store
        .append_urgent(entry, move |tx| {
            let Some(mut stored) = remit_store::agents::get(tx, &agent)? else {
                return Err(Refused::NotFound {
                    what: "agents",
                    key: agent.to_string(),
                }
                .into());
            };
            expect_change(stored.standing, standing)?;
            stored.standing = standing;
            remit_store::agents::put(tx, &stored)?;
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    app.reload().await?;
    if standing != Standing::Active {
        crate::tasks::kill::agent(app, name, by, &format!("the agent was {}", standing.as_str())).await?;
    }
    Ok(())
}

/// Changes a human's standing.
///
/// # Errors
/// [`Failure`] when they are unknown, retired already, the last administrator, or the person may not.
pub async fn set_human(app: &Arc<App>, name: &Name, standing: Standing, by: &Name) -> Result<(), Failure> {
    expect_role(app, by, &Role::Administrator)?;
    let world = app.world();
    let others = world
        .humans
        .values()
        .filter(|human| human.name != *name && human.may(&Role::Administrator))
        .count();
    if standing != Standing::Active && others == 0 {
        return Err(Failure::Conflict(format!(
            "{name} is the last administrator: add another one first"
        )));
    }
    let mut detail = Object::new();
    detail.insert("human", name.as_str());
    let entry = record::by_human(&format!("human.{}", standing.as_str()), by, detail);
    let human = name.clone();
    app.store
        .append_urgent(entry, move |tx| {
            let Some(mut stored) = remit_store::humans::get(tx, &human)? else {
                return Err(Refused::NotFound {
                    what: "humans",
                    key: human.to_string(),
                }
                .into());
            };
            expect_change(stored.standing, standing)?;
            stored.standing = standing;
            remit_store::humans::put(tx, &stored)?;
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    app.reload().await?;
    Ok(())
}

/// A second person confirms what a human holds: it counts for two-person approvals from then on.
///
/// # Errors
/// [`Failure`] when the human is unknown, or `by` is the human, who registered them, or no administrator that counts.
pub async fn confirm_human(app: &Arc<App>, name: &Name, by: &Name) -> Result<(), Failure> {
    expect_role(app, by, &Role::Administrator)?;
    if name == by {
        return Err(Failure::Forbidden(
            "nobody confirms themselves: another administrator has to".to_owned(),
        ));
    }
    let added_by = added_by(app, name).await?;
    if added_by.as_ref() == Some(by) {
        return Err(Failure::Forbidden(format!(
            "{by} registered or changed {name}: a second person has to confirm it, or 24 hours have to pass"
        )));
    }
    let mut detail = Object::new();
    detail.insert("human", name.as_str());
    let (human, by_whom) = (name.clone(), by.clone());
    app.store
        .append(record::by_human("human.confirm", by, detail), move |tx| {
            crate::seniority::expect_counts(tx, &by_whom)?;
            remit_store::seniority::confirm(tx, &human, &by_whom)
        })
        .await?;
    Ok(())
}

/// Who last registered a human or changed their roles, from the ledger.
async fn added_by(app: &Arc<App>, name: &Name) -> Result<Option<Name>, Failure> {
    let name = name.clone();
    app.store
        .read(move |conn| {
            let found = remit_store::seniority::get(conn, &name)?;
            Ok::<_, Failure>(found.and_then(|known| known.added_by))
        })
        .await
}

fn expect_change(from: Standing, to: Standing) -> Result<(), Refused> {
    match (from, to) {
        (Standing::Retired, _) => Err(Refused::NotAllowed(
            "retired is final: register a new one".to_owned(),
        )),
        (from, to) if from == to => Err(Refused::NotAllowed(format!("already {}", to.as_str()))),
        _ => Ok(()),
    }
}
