//! A task as one row.

use remit_core::json::{Object, Value as Json};
use remit_core::name::Name;
use remit_core::task::{Intent, Life, Mode, Task, TaskState};
use remit_core::time::Timestamp;

use super::StoredTask;
use crate::codec::{BadJson, Fields, authority_from_json, authority_to_json, text_list, texts};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::Value;
use crate::stored::{Columns, Stored};
use crate::tables::TASKS;

/// Columns that are made, not taken.
pub(super) struct Texts {
    authority: String,
    cut: String,
    life: String,
}

pub(super) fn texts_of(stored: &StoredTask) -> Texts {
    Texts {
        authority: authority_to_json(&stored.task.authority).to_string(),
        cut: text_list(&stored.task.cut).to_string(),
        life: life_to_json(stored.task.life).to_string(),
    }
}

pub(super) fn columns<'a>(stored: &'a StoredTask, texts: &'a Texts) -> [Value<'a>; 18] {
    let task = &stored.task;
    [
        task.id.to_string().into(),
        task.parent.map(|id| id.to_string()).into(),
        task.state.as_str().into(),
        task.version.into(),
        task.expires_at.0.into(),
        stored.suspended_by.map(|id| id.to_string()).into(),
        task.initiator.as_str().into(),
        task.agent.as_str().into(),
        task.run.to_string().into(),
        (&task.intent.goal).into(),
        (&task.intent.purpose).into(),
        task.mode.as_str().into(),
        task.template.as_ref().map(Name::as_str).into(),
        (&texts.authority).into(),
        (&texts.cut).into(),
        task.opened_at.0.into(),
        (&texts.life).into(),
        task.untrusted.into(),
    ]
}

/// `{"heartbeat_ms":30000,"idle_ms":600000,"ends_by":1767225600000}`, each where it is set.
fn life_to_json(life: Life) -> Json {
    let mut object = Object::new();
    for (key, value) in [
        ("heartbeat_ms", life.heartbeat_ms),
        ("idle_ms", life.idle_ms),
        ("ends_by", life.ends_by.map(|at| at.0)),
    ] {
        if let Some(value) = value {
            object.insert(key, value);
        }
    }
    object.into()
}

pub(super) fn life_from_json(value: &Json) -> Result<Life, BadJson> {
    let mut fields = Fields::of(value)?;
    let mut number = |name: &'static str| {
        fields
            .opt(name)
            .map(|value| {
                value
                    .as_i64()
                    .ok_or_else(|| BadJson::new(name, "an integer belongs here"))
            })
            .transpose()
    };
    let life = Life {
        heartbeat_ms: number("heartbeat_ms")?,
        idle_ms: number("idle_ms")?,
        ends_by: number("ends_by")?.map(Timestamp),
    };
    fields.end()?;
    Ok(life)
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
pub(super) fn read(row: Checked) -> Result<Stored<StoredTask>, StoreError> {
    let columns = Columns::of(&TASKS, &row);
    let task = Task {
        id: columns.parsed(0)?,
        parent: columns.opt_parsed(1)?,
        state: columns.word(2, TaskState::parse)?,
        version: columns.int(3)?,
        expires_at: Timestamp(columns.int(4)?),
        initiator: columns.parsed(6)?,
        agent: columns.parsed(7)?,
        run: columns.parsed(8)?,
        intent: Intent {
            goal: columns.text(9)?.to_owned(),
            purpose: columns.text(10)?.to_owned(),
        },
        mode: columns.word(11, Mode::parse)?,
        template: columns.opt_parsed(12)?,
        authority: columns.json(13, authority_from_json)?,
        cut: columns.json(14, |list: &Json| texts::<String, _>(list))?,
        opened_at: Timestamp(columns.int(15)?),
        life: columns.json(16, life_from_json)?,
        untrusted: columns.int(17)? != 0,
    };
    let suspended_by = columns.opt_parsed(5)?;
    Ok(Stored {
        value: StoredTask { task, suspended_by },
        changed: row.changed,
    })
}
