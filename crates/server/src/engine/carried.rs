//! What a call carries that no call should: secrets we keep, placeholders where nothing swaps them, credentials that are
//! not ours, and the decoy of the run. Looked at before policy is asked; what is found is masked in every record.

use std::sync::{Arc, Mutex, PoisonError};

use remit_core::call::Call;
use remit_core::decision::Reason;
use remit_core::json::Value;
use remit_credentials::detect::{self, Kind};
use remit_ledger::record::Record;
use remit_upstream::Scrubber;
use zeroize::Zeroizing;

use super::content;
use super::decide::Prepared;
use super::live::Live;
use super::record;
use crate::app::{App, Failure};
use crate::egress::attachment::Attachment;

/// Most finds recorded of one call.
pub(super) const FINDS_MAX: usize = 8;

/// The search for secrets we keep. It is one, and follows them: connections that are open already use it too.
#[derive(Default)]
pub struct KnownSecrets {
    of: Mutex<Vec<Zeroizing<String>>>,
    search: Arc<Scrubber>,
    turns: content::Turns,
}

/// Never shows a value.
impl std::fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KnownSecrets(…)")
    }
}

impl KnownSecrets {
    /// The search, for the secrets of this moment.
    pub(crate) fn search(&self, app: &App) -> Result<Arc<Scrubber>, Failure> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = crate::secrets::known(app);
        known.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        known.dedup();
        if *of != known {
            self.search
                .look_for(known.iter().map(|secret| secret.as_str()))
                .map_err(Failure::unavailable)?;
            *of = known;
        }
        Ok(Arc::clone(&self.search))
    }
}

/// What is wrong with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The decoy of the run: nothing but curiosity leads to it.
    Decoy,
    /// A secret we keep, in any common encoding.
    Secret,
    /// A placeholder where nothing swaps it.
    Placeholder,
    /// A credential in a known form that Remit did not issue.
    Foreign,
    /// It only looks like one: a hint, never a reason.
    Hint,
}

impl What {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Decoy => "decoy_used",
            Self::Secret => "secret_leak",
            Self::Placeholder => "placeholder_leak",
            Self::Foreign => "foreign_credential",
            Self::Hint => "credential_hint",
        }
    }
}

/// One find: what, where, and how it may be shown.
#[derive(Clone, Debug)]
struct Find {
    what: What,
    pointer: String,
    shown: String,
}

/// Looks at everything a call carries and records what it finds. `Some`: why the call is refused.
///
/// # Errors
/// [`Failure::Unavailable`] when a find cannot be recorded: nothing may be sent then.
pub async fn judge(
    app: &Arc<App>,
    live: &Arc<Live>,
    prepared: &Prepared,
    attachment: Option<&Attachment>,
) -> Result<Option<(Reason, String)>, Failure> {
    let is_system = prepared.server.as_ref().is_some_and(|s| s.system.is_some());
    let mut finds = look(app, live, &prepared.call, is_system)?;
    if let Some(attachment) = attachment
        && content::is_unread(&prepared.call)
    {
        let wanted = content::Wanted {
            secrets: app.known_secrets.search(app)?,
            decoy: crate::broker::decoy(app, live.run().id),
            placeholders: !is_system,
        };
        let found = content::look(&app.known_secrets.turns, &attachment.body, wanted).await?;
        finds.extend(found.into_iter().map(|(what, shown)| Find {
            what,
            pointer: "/body".to_owned(),
            shown: crate::approvals::card::escape(&shown),
        }));
    }
    if finds.is_empty() {
        return Ok(None);
    }
    // The gravest first; what is beyond the bound is only more of the same.
    finds.sort_by_key(|find| find.what as u8);
    finds.truncate(FINDS_MAX);
    // The decoy has a finding of its own, below.
    for find in finds.iter().filter(|find| find.what != What::Decoy) {
        let mut entry = record::of_live("finding", live);
        record::about_call(&mut entry, &prepared.call, None);
        entry.detail.insert("finding", find.what.as_str());
        entry.detail.insert("at", find.pointer.as_str());
        entry.detail.insert("shown", find.shown.as_str());
        app.store.append(entry, |_| Ok(())).await?;
        tracing::warn!(finding = find.what.as_str(), task = %live.snapshot().task.id, at = %find.pointer, "a call carries what it should not");
    }
    let Some(worst) = finds.first().filter(|find| find.what != What::Hint) else {
        return Ok(None);
    };
    if worst.what == What::Decoy {
        crate::tasks::builtin::decoy::used(app, live, "placeholder").await?;
    }
    let sentence = match worst.what {
        What::Decoy | What::Placeholder => "the call carries a placeholder where nothing swaps it",
        What::Secret => "the call carries a secret that Remit keeps",
        What::Foreign | What::Hint => "the call carries a credential that Remit did not issue",
    };
    let at = if worst.pointer.is_empty() {
        "its arguments"
    } else {
        &worst.pointer
    };
    Ok(Some((
        Reason::ForeignCredential,
        format!("{sentence} (in {at}): leave it out; calls need no credential of yours"),
    )))
}

/// Takes secrets out of the record of a refusal: what was refused may have been refused for them, and its host or path
/// stands in the record.
///
/// # Errors
/// [`Failure::Unavailable`] when there are too many secrets to look for.
pub(crate) fn withhold(app: &App, entry: &mut Record) -> Result<(), Failure> {
    let secrets = app.known_secrets.search(app)?;
    if let Some(resource) = &mut entry.resource {
        *resource = secrets.text(resource).into_owned();
    }
    let shown = Value::Object(entry.detail.clone()).to_string();
    if holds(&secrets, &shown) {
        for (_, value) in entry.detail.iter_mut() {
            clean(&secrets, value);
        }
    }
    Ok(())
}

fn clean(secrets: &Scrubber, value: &mut Value) {
    match value {
        Value::String(text) => *value = secrets.text(text).into_owned().into(),
        Value::Array(items) => items.iter_mut().for_each(|item| clean(secrets, item)),
        Value::Object(object) => object.iter_mut().for_each(|(_, inner)| clean(secrets, inner)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn look(app: &App, live: &Live, call: &Call, is_system: bool) -> Result<Vec<Find>, Failure> {
    let looker = Looker {
        secrets: app.known_secrets.search(app)?,
        decoy: crate::broker::decoy(app, live.run().id),
        // What stands at a system's credential positions was judged where it was read.
        placeholders: !is_system,
    };
    let mut finds = Vec::new();
    looker.value(
        &Value::Object(call.arguments.clone()),
        &mut String::new(),
        &mut finds,
    );
    Ok(finds)
}

struct Looker {
    secrets: Arc<Scrubber>,
    decoy: String,
    placeholders: bool,
}

impl Looker {
    fn value(&self, value: &Value, pointer: &mut String, finds: &mut Vec<Find>) {
        match value {
            Value::String(text) => self.text(text, pointer, finds),
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    self.below(&n.to_string(), item, pointer, finds);
                }
            }
            Value::Object(object) => {
                for (key, inner) in object.iter() {
                    self.text(key, pointer, finds);
                    self.below(&key.replace('~', "~0").replace('/', "~1"), inner, pointer, finds);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn below(&self, step: &str, value: &Value, pointer: &mut String, finds: &mut Vec<Find>) {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(step);
        self.value(value, pointer, finds);
        pointer.truncate(length);
    }

    fn text(&self, text: &str, pointer: &str, finds: &mut Vec<Find>) {
        let mut find = |what, shown: String| {
            finds.push(Find {
                what,
                pointer: crate::approvals::card::escape(pointer),
                shown: crate::approvals::card::escape(&shown),
            });
        };
        if text.contains(&self.decoy) {
            find(What::Decoy, "the decoy of this run".to_owned());
        }
        if holds(&self.secrets, text) {
            find(What::Secret, "a secret that is kept here".to_owned());
        }
        for one in detect::find(text) {
            let what = match one.kind {
                Kind::Placeholder if !self.placeholders => continue,
                Kind::Placeholder => What::Placeholder,
                Kind::Known(_) => What::Foreign,
                Kind::Random => What::Hint,
            };
            find(what, detect::masked(text, &one));
        }
    }
}

/// True when the scrubber would take something out, whatever already stands there to deceive.
fn holds(secrets: &Scrubber, text: &str) -> bool {
    let clean = secrets.text(text);
    clean.matches(remit_upstream::REMOVED).count() > text.matches(remit_upstream::REMOVED).count()
}
