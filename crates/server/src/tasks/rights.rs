//! Effective authority: what is asked, held to the agent's ceiling, the initiator's rights and every task above; with a
//! sentence for each thing that was cut, and for what holds back at once.

use std::sync::Arc;

use remit_core::authority::{Authority, Scope, ToolSelector};
use remit_core::limits::{DELEGATION_DEPTH_MAX, FAN_OUT_MAX};
use remit_core::name::Name;
use remit_core::task::{Mode, Task};
use remit_core::time::Timestamp;
use remit_core::tool::{ToolClass, ToolState};

use crate::app::Failure;
use crate::engine::world::World;
use crate::registry::snapshot::ToolEntry;

/// Those an authority is held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'h> {
    /// The world.
    pub world: &'h World,
    /// The agent, for its ceiling.
    pub agent: &'h Name,
    /// The initiator, for their rights.
    pub initiator: &'h Name,
    /// The task above; it is held to all above it already.
    pub above: Option<&'h Task>,
}

impl Held<'_> {
    /// The most a task may hold here, with why for each part.
    ///
    /// # Errors
    /// [`Failure::Forbidden`] when the task above may not delegate.
    pub fn limits(&self) -> Result<Vec<(Authority, String)>, Failure> {
        let agent = self.world.agents.get(self.agent);
        let ceiling = agent.map_or_else(Authority::none, |agent| agent.ceiling.clone());
        let mut limits = vec![(ceiling, format!("above the ceiling of agent `{}`", self.agent))];
        let rights = self
            .world
            .humans
            .get(self.initiator)
            .map(|known| &known.authority);
        match rights {
            // Nobody's rights are no rights: the initiator is not registered any more.
            None => limits.push((
                Authority::none(),
                format!("`{}` is not registered here", self.initiator),
            )),
            Some(Some(rights)) => {
                limits.push((rights.clone(), format!("`{}` has no such right", self.initiator)));
            }
            Some(None) => {}
        }
        let mut platform = Authority::unbounded();
        platform.depth = u8::try_from(DELEGATION_DEPTH_MAX).unwrap_or(u8::MAX);
        platform.fan_out = FAN_OUT_MAX;
        limits.push((platform, "above what any task may have".to_owned()));
        if let Some(above) = self.above {
            let mut limit = above.authority.clone();
            limit.depth = limit.depth.checked_sub(1).ok_or_else(|| none_left(above))?;
            limits.push((limit, format!("not held by the parent task {}", above.id)));
        }
        for (limit, _) in &mut limits {
            self.world.registry.fold(limit);
        }
        Ok(limits)
    }

    /// `asked`, cut down, with one sentence for each thing that was cut.
    ///
    /// # Errors
    /// As [`Self::limits`].
    pub fn cut_down(&self, asked: &Authority) -> Result<(Authority, Vec<String>), Failure> {
        let mut authority = asked.clone();
        self.world.registry.fold(&mut authority);
        let mut cut = Vec::new();
        for (limit, why) in self.limits()? {
            let held = authority.attenuate(&limit);
            cut.extend(authority.cut(&held, &why));
            authority = held;
        }
        if let Some(above) = self.above {
            let held = above
                .authority
                .delegate(&authority)
                .ok_or_else(|| none_left(above))?;
            if held.stricter != authority.stricter {
                cut.push(format!(
                    "writes ask a person: the parent task {} declares no roots",
                    above.id
                ));
            }
            authority = held;
        }
        Ok((authority, cut))
    }
}

fn none_left(above: &Task) -> Failure {
    Failure::Forbidden(format!("task {} may not delegate any further", above.id))
}

/// A sentence when a pattern selects no tool that may be called; what Remit itself offers to every run does not count.
fn selects_nothing(world: &World, selector: &ToolSelector) -> Option<String> {
    let of_others = |entry: &&Arc<ToolEntry>| entry.tool.name.server.as_str() != super::builtin::SERVER;
    let mut tools = world.registry.tools().filter(of_others);
    let selected = tools.any(|entry| {
        let class = entry.tool.classification.class;
        entry.is_callable() && selector.selects(&entry.tool.name, class)
    });
    (!selected).then(|| format!("tools `{selector}`: no admitted tool is selected by it"))
}

/// What guardrails and registry hold back at once, whatever the authority says: one sentence each.
pub(super) fn in_force(world: &World, authority: &Authority, mode: Mode, now: Timestamp) -> Vec<String> {
    let mut cut = Vec::new();
    for selector in &authority.tools {
        if !selector.names_one_tool() {
            cut.extend(selects_nothing(world, selector));
            continue;
        }
        let named = selector.to_string();
        let name = named.split(':').next().unwrap_or_default().parse();
        let Ok(name) = name else { continue };
        match world.registry.tool(&name).map(|entry| entry.tool.state) {
            None => cut.push(format!("tools `{selector}`: no such tool is registered")),
            Some(ToolState::Admitted) => {}
            Some(state) => cut.push(format!("tools `{selector}`: it is {}", state.as_str())),
        }
    }
    if let Scope::Only(roots) = &authority.resources {
        let frozen = world.frozen(now);
        let under = roots
            .iter()
            .filter(|root| frozen.iter().any(|freeze| freeze.covers(root)));
        cut.extend(under.map(|root| format!("resource `{root}`: a freeze is on, it may only be read")));
    }
    let acts = authority.classes.iter().any(|class| *class != ToolClass::Read);
    match mode {
        Mode::Assist if acts => cut.push("mode assist: what is not reading becomes a proposal".to_owned()),
        Mode::Coordinate if acts => {
            cut.push("mode coordinate: what is not reading can only be delegated".to_owned());
        }
        Mode::Assist | Mode::Coordinate | Mode::Execute => {}
    }
    cut
}
