//! Deciding: from a request to the canonical call, its facts, and the verdict. No effect, no I/O.

use std::sync::Arc;

use remit_core::authority::Scope;
use remit_core::call::{Call, Operation};
use remit_core::confinement::Proof;
use remit_core::decision::{Effect, Reason, Tier};
use remit_core::destination::Destination;
use remit_core::digest::Digest;
use remit_core::json::{Object, Value};
use remit_core::label::Labels;
use remit_core::name::Name;
use remit_core::resource::Resource;
use remit_core::time::Timestamp;
use remit_core::tool::Classification;
use remit_egress::request::lookup::is_due;
use remit_policy::{Denial, Facts, Given, Origin, Overrun, ToolFacts, Verdict, salient_opaque};

use super::cause::Cause;
use super::live::Snapshot;
use super::uses::Weighed;
use super::world::World;
use crate::egress::unknown;
use crate::registry::arguments::{self, uri_resource};
use crate::registry::snapshot::{ServerEntry, ToolEntry};
use crate::registry::surface;
use crate::tasks::builtin;

/// A request that became a call, with what the registry says about it.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The canonical call.
    pub call: Call,
    /// Its digest.
    pub digest: Digest,
    /// The registry's entry: the tool, or the server's surface for other operations.
    pub entry: Option<Arc<ToolEntry>>,
    /// The server.
    pub server: Option<Arc<ServerEntry>>,
    /// What use says about it, once it was weighed.
    pub weighed: Weighed,
    /// JSON Pointer and value of the fields people judge by.
    pub salient: Vec<(String, Value)>,
    /// How the request proved that it comes from the run.
    pub proof: Proof,
    /// Why policy need not be asked: the request is refused by what it is.
    pub refused: Option<(Reason, String)>,
    /// The calls a server made it for, where no agent made it.
    pub cause: Option<Arc<Cause>>,
}

impl Prepared {
    /// What the registry says about the tool; `None` for other operations.
    #[must_use]
    pub fn classification(&self) -> Option<&Classification> {
        let entry = self.entry.as_ref()?;
        matches!(self.call.operation, Operation::CallTool(_)).then_some(&entry.tool.classification)
    }

    /// True when the tool declares an output schema.
    #[must_use]
    pub fn has_output_schema(&self) -> bool {
        self.classification().is_some()
            && self
                .entry
                .as_ref()
                .is_some_and(|entry| entry.definition.has_output_schema())
    }
}

/// Makes the canonical call of a request. What is refused here is still a call, so that its denial can be recorded.
#[must_use]
pub fn prepare(
    world: &World,
    server: &Name,
    operation: Operation,
    arguments: Object,
    proof: Proof,
) -> Prepared {
    let mut prepared = Prepared {
        call: Call {
            server: server.clone(),
            server_identity: Digest::of(b""),
            operation,
            fingerprint: Digest::of(b""),
            arguments,
            resources: Vec::new(),
            destinations: Vec::new(),
            opaque: Vec::new(),
        },
        digest: Digest::of(b""),
        entry: None,
        server: world.registry.server(server).cloned(),
        weighed: Weighed::default(),
        salient: Vec::new(),
        proof,
        refused: None,
        cause: None,
    };
    prepared.refused = fill(world, &mut prepared).err();
    prepared.digest = prepared.call.digest();
    prepared
}

fn fill(world: &World, prepared: &mut Prepared) -> Result<(), (Reason, String)> {
    let call = &mut prepared.call;
    let Some(server) = prepared.server.clone() else {
        return Err((
            Reason::OutOfAuthority,
            format!("no server `{}` is registered", call.server),
        ));
    };
    call.server_identity = server.server.identity.unwrap_or(call.server_identity);
    let statement = crate::broker::databases::prepare::judge(&server, call)?;
    let tool = match &call.operation {
        Operation::CallTool(tool) if !surface::is_surface(tool) => Some(tool.clone()),
        Operation::CallTool(tool) => {
            return Err((Reason::ToolQuarantined, format!("`{tool}` is not a tool")));
        }
        operation => surface::entry_of(operation, server.templates()),
    };
    let entry = tool.and_then(|tool| server.tools.get(&tool).cloned());
    prepared.entry.clone_from(&entry);
    let Some(entry) = entry else {
        let sentence = format!(
            "`{}` has no admitted `{}`; nothing unknown is allowed",
            call.server,
            call.operation.target()
        );
        return Err((Reason::ToolQuarantined, sentence));
    };
    call.fingerprint = entry.admitted.unwrap_or(entry.tool.fingerprint);
    if entry.changed() {
        let sentence = format!(
            "the definition of `{}` changed since it was admitted: a person has to look at it (`remit tools diff {0}`)",
            entry.tool.name
        );
        return Err((Reason::ToolChanged, sentence));
    }
    if !entry.is_callable() {
        let why = entry
            .check
            .as_ref()
            .err()
            .cloned()
            .unwrap_or_else(|| format!("it is {}", entry.tool.state.as_str()));
        return Err((
            Reason::ToolQuarantined,
            format!("`{}` cannot be used: {why}", entry.tool.name),
        ));
    }
    if let Some(statement) = statement {
        prepared.salient.push(("/sql".to_owned(), statement.text.into()));
    }
    let Operation::CallTool(tool) = &call.operation else {
        return read_operation(call);
    };
    // Whoever made this call of a request left out what comes first.
    if let Some(system) = &server.system
        && is_due(system, tool, &call.arguments)
    {
        let sentence = format!("what `{}` is for was not looked up", entry.tool.name);
        return Err((Reason::NotInspectable, sentence));
    }
    read_tool_arguments(world, &entry, call, &mut prepared.salient)
}

fn read_tool_arguments(
    world: &World,
    entry: &ToolEntry,
    call: &mut Call,
    salient: &mut Vec<(String, Value)>,
) -> Result<(), (Reason, String)> {
    let bad = |error: arguments::BadArgument| {
        (
            Reason::ParameterViolation,
            format!("{}: {error}", entry.tool.name),
        )
    };
    let check = entry
        .check
        .as_ref()
        .map_err(|why| (Reason::NotInspectable, why.clone()))?;
    check.check(&call.arguments).map_err(bad)?;
    let reading = arguments::read(&entry.tool.classification.arguments, &call.arguments).map_err(bad)?;
    call.resources.extend(reading.resources);
    call.destinations = reading.destinations;
    call.opaque = reading.opaque;
    call.opaque
        .extend(world.policy.catalogue().opaque(&entry.tool.name, &call.arguments));
    call.opaque.sort();
    call.opaque.dedup();
    salient.extend(reading.salient);
    Ok(())
}

/// What operations other than tools touch.
fn read_operation(call: &mut Call) -> Result<(), (Reason, String)> {
    let bad = |sentence: String| (Reason::ParameterViolation, sentence);
    match &call.operation {
        Operation::ReadResource(uri) | Operation::Subscribe(uri) => {
            let resource = match uri.split_once("://") {
                Some((scheme, rest)) => uri_resource(&call.server, scheme, rest).map_err(bad)?,
                None => {
                    let path = uri
                        .split_once(':')
                        .map_or_else(|| uri.clone(), |(scheme, rest)| format!("{scheme}/{rest}"));
                    Resource::new(call.server.clone(), path.trim_end_matches('/'))
                        .map_err(|e| bad(e.to_string()))?
                }
            };
            call.resources.push(resource);
        }
        Operation::AnswerServer(_) => {
            let destination = Destination::new(
                remit_core::destination::DestinationKind::Other,
                call.server.as_str(),
            );
            call.destinations.extend(destination.ok());
        }
        Operation::CallTool(_) | Operation::GetPrompt(_) | Operation::Complete(_) | Operation::Issue(_) => {}
    }
    Ok(())
}

/// What changes between two decisions of the same call.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'c> {
    /// Now.
    pub now: Timestamp,
    /// Labels the run carries.
    pub labels: &'c Labels,
    /// Budgets that would be overrun.
    pub exhausted: &'c [Overrun],
    /// Where the call comes from.
    pub origin: Origin,
    /// What is being redeemed.
    pub approval: Option<Given<'c>>,
    /// What use says about it.
    pub weighed: &'c Weighed,
}

/// What policy says, and what it would have said if the class were not observed only.
#[derive(Debug)]
pub struct Answered {
    /// The verdict.
    pub verdict: Verdict,
    /// The hold or denial that is recorded instead of enforced.
    pub would: Option<Would>,
}

/// A hold or a denial of a class that is observed only.
#[derive(Clone, Debug)]
pub struct Would {
    /// Until when the class is observed.
    pub until: Timestamp,
    /// Hold or deny.
    pub effect: Effect,
    /// Why.
    pub reason: Reason,
    /// Who would have had to agree.
    pub tier: Tier,
    /// The rules that determined it.
    pub rules: Vec<String>,
    /// The sentence.
    pub message: String,
    /// The policy that said so.
    pub policy_version: String,
}

/// Asks policy.
#[must_use]
pub fn ask(world: &World, snapshot: &Snapshot, prepared: &Prepared, at: Circumstances<'_>) -> Answered {
    let classification = prepared.classification();
    let unknown = unknown_destinations(&snapshot.task.authority.destinations, &prepared.call.destinations);
    let frozen = world.frozen(at.now);
    let facts = Facts {
        call: &prepared.call,
        digest: prepared.digest,
        principal: &snapshot.principal,
        tool: classification
            .zip(prepared.entry.as_ref())
            .map(|(classification, entry)| ToolFacts {
                classification,
                state: entry.tool.state,
            }),
        environments: &world.environments,
        labels: at.labels,
        unknown_destinations: &unknown,
        frozen: &frozen,
        exhausted: at.exhausted,
        calls_made: at.weighed.calls,
        proof: prepared.proof,
        contained: prepared.server.as_ref().is_some_and(|server| server.contained),
        origin: at.origin,
        risk: at.weighed.risk,
        salient_opaque: classification
            .is_some_and(|c| salient_opaque(&prepared.call.opaque, c, &prepared.call.arguments))
            || !crate::approvals::inspect::is_inspectable(&prepared.call, classification),
        now: at.now,
        utc_offset_minutes: 0,
        approval: at.approval,
    };
    let verdict = if unknown::is(&prepared.call.server) {
        // No rule of anybody's speaks of hosts that nobody registered.
        Verdict::Deny(unregistered(world, &prepared.call))
    } else {
        world.policy.decide(&facts)
    };
    // What a run asks of Remit itself is never observed only.
    let observed = classification
        .filter(|_| !builtin::is(&prepared.call.server))
        .and_then(|c| world.observed(c, at.now));
    let (Some(until), Some(observing)) = (observed, &world.observing) else {
        return Answered { verdict, would: None };
    };
    let Some(would) = would(&verdict, until) else {
        return Answered { verdict, would: None };
    };
    // Guardrails and templates hold as ever: what they would not let through is not observed, it is enforced.
    match observing.decide(&facts) {
        allow @ Verdict::Allow(_) => Answered {
            verdict: allow,
            would: Some(would),
        },
        Verdict::Hold(_) | Verdict::Deny(_) => Answered { verdict, would: None },
    }
}

fn unregistered(world: &World, call: &Call) -> Denial {
    let host = call
        .arguments
        .get("host")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let host = crate::approvals::card::escape(host);
    Denial {
        reason: Reason::DestinationNotAllowed,
        rules: Vec::new(),
        message: format!(
            "`{host}` belongs to no system that is registered here: a person can add it (`remit system add`)"
        ),
        allowed_instead: Vec::new(),
        policy_version: world.policy.version(),
    }
}

fn would(verdict: &Verdict, until: Timestamp) -> Option<Would> {
    let texts = |rules: &[remit_policy::RuleRef]| rules.iter().map(ToString::to_string).collect();
    match verdict {
        Verdict::Allow(_) => None,
        Verdict::Hold(hold) => Some(Would {
            until,
            effect: Effect::Hold,
            reason: Reason::ApprovalRequired,
            tier: hold.requirement.tier,
            rules: texts(&hold.rules),
            message: hold.message.clone(),
            policy_version: hold.policy_version.to_string(),
        }),
        Verdict::Deny(denial) => Some(Would {
            until,
            effect: Effect::Deny,
            reason: denial.reason,
            tier: Tier::Never,
            rules: texts(&denial.rules),
            message: denial.message.clone(),
            policy_version: denial.policy_version.to_string(),
        }),
    }
}

/// Destinations the task does not name. A web address is known when the task names it or its host.
fn unknown_destinations(scope: &Scope<Destination>, destinations: &[Destination]) -> Vec<Destination> {
    use remit_core::destination::DestinationKind::{Host, Url};
    let host_is_known = |url: &Destination| {
        destinations.iter().any(|host| {
            host.kind() == Host && scope.covers(host) && host_of(url.value()) == Some(host.value())
        })
    };
    let url_is_known = |host: &Destination| {
        destinations
            .iter()
            .any(|url| url.kind() == Url && scope.covers(url) && host_of(url.value()) == Some(host.value()))
    };
    let known = |place: &&Destination| {
        !(scope.covers(place)
            || (place.kind() == Url && host_is_known(place))
            || (place.kind() == Host && url_is_known(place)))
    };
    destinations.iter().filter(known).cloned().collect()
}

fn host_of(url: &str) -> Option<&str> {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    after.split(['/', '?', '#', ':']).next()
}
