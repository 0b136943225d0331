//! Causes: a request that no agent made, but a server it called. It is decided like any other, and held to the calls that
//! are under way at that server besides: where it sends must be named by each of them, and how much, so that a server cannot
//! add a recipient of its own; what cannot be read for that is not sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::confinement::Proof;
use remit_core::decision::Reason;
use remit_core::destination::{Destination, DestinationKind};
use remit_core::id::CallId;
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::tool::{ArgumentRole, ToolClass};
use remit_egress::describe::BodyKind;
use remit_ledger::record::Record;

use super::content;
use super::decide::Prepared;
use super::live::Live;
use super::message;
use crate::app::{App, Failure};
use crate::findings::{self, Found};
use crate::registry::arguments;

/// What a request says about itself and its way, which is decided on its own; what was looked up its server did not say.
const OF_THE_REQUEST: [&str; 7] = [
    "body_sha256",
    "headers",
    "host",
    "object",
    "path",
    "refs",
    "request",
];

/// Member of `detail`: which server made a request, and for which calls.
const CAUSED_BY: &str = "caused_by";
/// Words of a name beside an address.
const NAME_WORDS_MAX: usize = 2;

/// A call that is under way at a server.
#[derive(Debug)]
pub struct LiveCall {
    /// The call.
    pub id: CallId,
    /// Its task.
    pub live: Arc<Live>,
    /// How it proved its run.
    pub proof: Proof,
    tool: String,
    destinations: Vec<Destination>,
    texts: Vec<String>,
    addresses: Vec<Destination>,
    amounts: Vec<f64>,
}

impl LiveCall {
    fn of(id: CallId, live: &Arc<Live>, prepared: &Prepared) -> Self {
        let mut texts = Vec::new();
        leaves(
            &Value::Object(prepared.call.arguments.clone()),
            &mut String::new(),
            &mut |_, text| texts.push(text.to_owned()),
        );
        Self {
            id,
            live: Arc::clone(live),
            proof: prepared.proof,
            tool: format!("{}/{}", prepared.call.server, prepared.call.operation.target()),
            destinations: prepared.call.destinations.clone(),
            addresses: texts.iter().flat_map(|text| recipients(text)).collect(),
            texts,
            amounts: amounts(&prepared.call.arguments),
        }
    }

    /// True when the call itself says that it goes there: whole, after normalising.
    fn names(&self, place: &Destination) -> bool {
        self.destinations.contains(place)
            || self.addresses.contains(place)
            || self
                .texts
                .iter()
                .any(|text| Destination::new(place.kind(), text).as_ref() == Ok(place))
    }
}

/// The calls under way at one server.
#[derive(Debug, Default)]
pub struct UnderWay(Mutex<BTreeMap<CallId, Arc<LiveCall>>>);

impl UnderWay {
    /// Notes a call that is about to be sent; it is forgotten when the guard is dropped.
    pub fn enter(&self, id: CallId, live: &Arc<Live>, prepared: &Prepared) -> Inside<'_> {
        let call = Arc::new(LiveCall::of(id, live, prepared));
        self.lock().insert(id, call);
        Inside { all: self, id }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<LiveCall>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<CallId, Arc<LiveCall>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call at its server.
#[derive(Debug)]
pub struct Inside<'u> {
    all: &'u UnderWay,
    id: CallId,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

/// Why a server makes a request: the calls under way when it did. Where they are several nobody can tell which, so all of
/// them must agree.
#[derive(Debug)]
pub struct Cause {
    /// The server that makes it.
    pub server: Name,
    /// At least one call; of several tasks where the server is shareable. None of a request that was held: the calls were
    /// over when it was redeemed.
    pub calls: Vec<Arc<LiveCall>>,
    /// The calls a held request was judged by, as its record names them.
    recorded: Vec<Value>,
}

/// Something a request would do that its cause does not say: where it would send, or how much.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hidden {
    what: What,
    pointer: String,
    /// The place or the amount.
    shown: String,
    call: CallId,
    tool: String,
}

/// What is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Destination,
    Amount,
}

impl Cause {
    /// What `server` asks while these calls are under way there.
    #[must_use]
    pub const fn new(server: Name, calls: Vec<Arc<LiveCall>>) -> Self {
        Self {
            server,
            calls,
            recorded: Vec::new(),
        }
    }

    /// The cause of a request that was held, from the record of that decision. It was judged by it then, and the bytes are
    /// the same; it is carried on so that the records of what is sent say it too.
    #[must_use]
    pub fn recorded(entry: &Record) -> Option<Self> {
        let detail = entry.detail.get(CAUSED_BY)?;
        Some(Self {
            server: detail.get("server")?.as_str()?.parse().ok()?,
            calls: Vec::new(),
            recorded: detail.get("calls")?.as_array()?.to_vec(),
        })
    }

    /// For the card of a request that people are asked about.
    #[must_use]
    pub fn sentence(&self) -> String {
        let live = self
            .calls
            .iter()
            .map(|call| format!("{} ({})", call.id, call.tool));
        let over = self.recorded.iter().filter_map(Value::as_str).map(str::to_owned);
        let calls: Vec<String> = live.chain(over).collect();
        format!(
            "server `{}` asks for it while it does {}",
            self.server,
            calls.join(", ")
        )
    }

    /// The first place that one of the calls does not name.
    fn hidden(&self, prepared: &Prepared) -> Option<Hidden> {
        let classification = prepared.classification()?;
        let arguments = &prepared.call.arguments;
        // What cannot be read was refused when the call was made canonical.
        let said = arguments::destinations_by_field(&classification.arguments, arguments).ok()?;
        let mut places: Vec<(String, Vec<Destination>)> = said
            .into_iter()
            .filter(|(pointer, _)| pointer != "/host")
            .collect();
        if classification.class != ToolClass::Read {
            places.extend(undeclared(arguments));
        }
        places.iter().find_map(|(pointer, readings)| {
            let silent = self
                .calls
                .iter()
                .find(|call| !readings.iter().any(|place| call.names(place)))?;
            Some(Hidden {
                what: What::Destination,
                pointer: pointer.clone(),
                shown: readings.first().map(ToString::to_string).unwrap_or_default(),
                call: silent.id,
                tool: silent.tool.clone(),
            })
        })
    }

    /// The first declared amount that one of the calls does not hold.
    fn hidden_amount(&self, prepared: &Prepared) -> Option<Hidden> {
        let classification = prepared.classification()?;
        if classification.class == ToolClass::Read {
            return None;
        }
        let whole = Value::Object(prepared.call.arguments.clone());
        let declared = classification
            .arguments
            .iter()
            .filter(|rule| matches!(rule.role, ArgumentRole::Amount));
        declared
            .flat_map(|rule| arguments::select(&whole, &rule.pointer))
            .filter(|(_, value)| !matches!(value, Value::Null))
            .find_map(|(pointer, value)| {
                let amount = amount(value);
                let says =
                    |call: &&Arc<LiveCall>| amount.is_some_and(|amount| call.amounts.contains(&amount));
                let silent = self.calls.iter().find(|call| !says(call))?;
                Some(Hidden {
                    what: What::Amount,
                    pointer,
                    shown: value.to_string().chars().take(80).collect(),
                    call: silent.id,
                    tool: silent.tool.clone(),
                })
            })
    }
}

/// A body whose fields nobody can see: it could name anybody. Where the description says that a body is content and nothing
/// else, where it goes stands in the path; that holds for no transfer.
fn is_unreadable(prepared: &Prepared) -> bool {
    let Some(classification) = prepared.classification() else {
        return false;
    };
    if classification.class == ToolClass::Read || !content::is_unread(&prepared.call) {
        return false;
    }
    let system = prepared.server.as_ref().and_then(|server| server.system.as_ref());
    let operation = system.and_then(|system| {
        let name = prepared.call.operation.target();
        system
            .all_operations()
            .find(|operation| operation.name.as_str() == name)
    });
    let is_content = operation.is_some_and(|operation| operation.body == BodyKind::Digest);
    !is_content || classification.class == ToolClass::Transfer
}

/// A number, also as text.
fn amount(value: &Value) -> Option<f64> {
    let read = |text: &str| text.trim().parse().ok().filter(|amount: &f64| amount.is_finite());
    match value {
        Value::Number(number) => read(&number.lexeme()),
        Value::String(text) => read(text),
        _ => None,
    }
}

/// Every number in the arguments of a call.
fn amounts(arguments: &Object) -> Vec<f64> {
    fn collect(value: &Value, found: &mut Vec<f64>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(object) => object.iter().for_each(|(_, inner)| collect(inner, found)),
            other => found.extend(amount(other)),
        }
    }
    let mut found = Vec::new();
    arguments.iter().for_each(|(_, value)| collect(value, &mut found));
    found
}

/// Fields nobody described that are addresses.
fn undeclared(arguments: &Object) -> Vec<(String, Vec<Destination>)> {
    let mut found = Vec::new();
    for (name, value) in arguments
        .iter()
        .filter(|(name, _)| !OF_THE_REQUEST.contains(name))
    {
        let mut pointer = format!("/{name}");
        leaves(value, &mut pointer, &mut |at, text| {
            found.extend(
                recipients(text)
                    .into_iter()
                    .map(|place| (at.to_owned(), vec![place])),
            );
        });
    }
    found
}

/// Whom a text names: the addresses it is, or those a mail in it goes to.
fn recipients(text: &str) -> Vec<Destination> {
    let mut found = addresses(text);
    for field in message::recipient_fields(text) {
        found.extend(mails(&field));
    }
    found
}

/// Every mail address in a field of a mail, whatever stands beside.
fn mails(field: &str) -> Vec<Destination> {
    field
        .split(apart)
        .filter(|word| is_mail(word))
        .filter_map(|mail| Destination::new(DestinationKind::Mail, mail).ok())
        .collect()
}

fn apart(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | ':' | '<' | '>' | '(' | ')' | '"' | '\'')
}

fn is_mail(word: &str) -> bool {
    word.rsplit_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}

/// The addresses a text is: one alone, a list of them, or with a name beside (`Anna <anna@example.org>`). A text with more
/// words in it is content, whatever it mentions.
fn addresses(text: &str) -> Vec<Destination> {
    let text = text.trim();
    if text.contains("://") && !text.contains(char::is_whitespace) {
        return Destination::new(DestinationKind::Url, text).into_iter().collect();
    }
    let apart = |c: char| c != ':' && apart(c);
    let (mails, others): (Vec<&str>, Vec<&str>) = text
        .split(apart)
        .filter(|word| !word.is_empty())
        .partition(|word| is_mail(word));
    if mails.is_empty() || others.len() > mails.len().saturating_mul(NAME_WORDS_MAX) {
        return Vec::new();
    }
    mails
        .iter()
        .filter_map(|mail| Destination::new(DestinationKind::Mail, mail.trim_start_matches("mailto:")).ok())
        .collect()
}

/// Every text of a value with its JSON Pointer, keys included: a key can name somebody too.
fn leaves(value: &Value, pointer: &mut String, found: &mut impl FnMut(&str, &str)) {
    let length = pointer.len();
    match value {
        Value::String(text) => found(pointer, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                leaves(item, pointer, found);
                pointer.truncate(length);
            }
        }
        Value::Object(object) => {
            for (key, inner) in object.iter() {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                found(pointer, key);
                leaves(inner, pointer, found);
                pointer.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Why a request goes further than the calls it is made for; recorded as a finding.
///
/// # Errors
/// [`Failure::Unavailable`] when the finding cannot be recorded: nothing may be sent then.
pub async fn judge(
    app: &Arc<App>,
    live: &Arc<Live>,
    prepared: &Prepared,
) -> Result<Option<(Reason, String)>, Failure> {
    let Some(cause) = &prepared.cause else {
        return Ok(None);
    };
    if is_unreadable(prepared) {
        let message = format!(
            "server `{}` sends a body that cannot be read, so nobody can see whether it names somebody its call does not: only JSON and forms are",
            cause.server
        );
        return Ok(Some((Reason::NotInspectable, message)));
    }
    let Some(hidden) = cause.hidden(prepared).or_else(|| cause.hidden_amount(prepared)) else {
        return Ok(None);
    };
    let place = crate::approvals::card::escape(&hidden.shown);
    let pointer = crate::approvals::card::escape(&hidden.pointer);
    let (kind, key, does, reason) = match hidden.what {
        What::Destination => (
            "hidden_destination",
            "destination",
            "send to",
            Reason::DestinationNotAllowed,
        ),
        What::Amount => ("hidden_amount", "amount", "move", Reason::ParameterViolation),
    };
    let message = format!(
        "server `{}` would {does} `{place}` (`{pointer}`), which the call it was made for does not name ({}, {})",
        cause.server, hidden.tool, hidden.call
    );
    let mut detail = Object::new();
    detail.insert("server", cause.server.as_str());
    detail.insert("call", hidden.call.to_string());
    detail.insert("tool", hidden.tool.as_str());
    detail.insert("at", pointer.as_str());
    detail.insert(key, place.as_str());
    let found = Found {
        kind,
        live: Some(live),
        parties: format!("{} {} {place}", cause.server, hidden.tool),
        message: message.clone(),
        detail,
    };
    findings::keep(app, found).await?;
    Ok(Some((reason, message)))
}

/// Says in a record which server made a request, and for which calls.
pub fn record(entry: &mut Record, cause: Option<&Cause>) {
    let Some(cause) = cause else { return };
    let mut detail = Object::new();
    detail.insert("server", cause.server.as_str());
    let mut calls = cause.recorded.clone();
    calls.extend(cause.calls.iter().map(|call| Value::from(call.id.to_string())));
    detail.insert("calls", calls);
    entry.detail.insert(CAUSED_BY, detail);
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::json::{Bounds, parse};

    fn object(text: &str) -> Object {
        parse(text.as_bytes(), &Bounds::REQUEST)
            .unwrap()
            .as_object()
            .unwrap()
            .clone()
    }

    #[test]
    fn what_is_an_address_counts_and_what_mentions_one_does_not() {
        let arguments = object(
            r#"{"request":"POST https://api.example/x","host":"api.example","headers":{"a":"x@b.example"},
                "body":{"text":"write to x@y.example today","bcc":["spy@evil.example"],"hook":"https://evil.example/in",
                "who@evil.example":1,"n":"10@","cc":"Spy Master <spy@evil.example>, b@evil.example"}}"#,
        );
        let found: Vec<(String, String)> = undeclared(&arguments)
            .into_iter()
            .map(|(pointer, places)| (pointer, places[0].to_string()))
            .collect();
        let expected = [
            ("/body/bcc/0", "mail:spy@evil.example"),
            ("/body/cc", "mail:b@evil.example"),
            ("/body/cc", "mail:spy@evil.example"),
            ("/body/hook", "url:https://evil.example/in"),
            ("/body/who@evil.example", "mail:who@evil.example"),
        ];
        let mut found: Vec<_> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}
