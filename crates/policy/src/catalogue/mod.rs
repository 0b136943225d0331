//! The catalogue: every known tool with the types of its arguments, as policy sees it.

mod convert;
mod salient;
mod types;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cedar_policy_core::ast::{Entity, EntityUID, Value as Cedar};
use remit_core::authority::ClientFeature;
use remit_core::call::Operation;
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::tool::{ToolClass, ToolRef};

pub(crate) use convert::arguments;
pub use salient::salient_opaque;
pub(crate) use types::escape;
pub use types::{ArgumentType, Field, Opaque, argument_types};

use crate::{names, values};

/// What the catalogue is made from: one known tool, whatever its registry state.
#[derive(Clone, Debug)]
pub struct ToolSchema<'a> {
    /// `server/tool`.
    pub tool: ToolRef,
    /// Its class.
    pub class: ToolClass,
    /// Its `inputSchema`.
    pub input_schema: &'a Value,
}

/// One action of Cedar: a tool, or another operation.
#[derive(Debug)]
pub(crate) struct Action {
    /// Place in the catalogue; the cache of slices is keyed by it.
    pub index: u32,
    /// `server/tool` or `mcp:method`.
    pub uid: Arc<EntityUID>,
    /// With its groups as ancestors.
    pub entity: Arc<Entity>,
    /// The tool; `None` for another operation.
    pub tool: Option<ToolRef>,
    /// The tool's class; `None` for another operation.
    pub class: Option<ToolClass>,
    /// Typed arguments.
    pub fields: BTreeMap<String, Field>,
    /// What of the arguments is opaque, and why.
    pub opaque: Opaque,
    /// Every selector text that selects this tool.
    pub selectors: Cedar,
}

impl Action {
    /// True when `group` is this action or one of its groups.
    pub fn is_in(&self, group: &EntityUID) -> bool {
        *self.uid == *group || self.entity.ancestors().any(|a| a == group)
    }
}

/// Every known tool. Immutable: a changed registry makes a new one, and a new bundle with it.
#[derive(Debug, Default)]
pub struct Catalogue {
    pub(crate) tools: BTreeMap<ToolRef, Arc<Action>>,
    pub(crate) operations: Vec<Arc<Action>>,
    selectors: HashMap<Name, Cedar>,
    /// Every action and group there is.
    actions: HashSet<EntityUID>,
}

impl Catalogue {
    /// A catalogue of these tools and the operations every server has.
    #[must_use]
    pub fn new<'a>(tools: impl IntoIterator<Item = ToolSchema<'a>>) -> Self {
        let mut catalogue = Self::default();
        for method in Self::methods() {
            let index = u32::try_from(catalogue.operations.len()).unwrap_or(u32::MAX);
            catalogue.operations.push(Arc::new(operation(index, method)));
        }
        for (place, schema) in tools.into_iter().enumerate() {
            let index = u32::try_from(place + catalogue.operations.len()).unwrap_or(u32::MAX);
            let action = tool(index, &schema);
            let server = schema.tool.server.clone();
            catalogue
                .selectors
                .entry(server)
                .or_insert_with_key(|server| values::texts(server_selectors(server, ToolClass::Read)));
            catalogue.tools.insert(schema.tool, Arc::new(action));
        }
        let groups = ToolClass::ALL
            .map(ToolClass::as_str)
            .into_iter()
            .chain(["any", "answer", "issue"]);
        catalogue.actions = groups.map(names::action).collect();
        for action in catalogue.tools.values().chain(&catalogue.operations) {
            catalogue.actions.insert(action.uid.as_ref().clone());
            catalogue.actions.extend(action.entity.ancestors().cloned());
        }
        catalogue
    }

    /// JSON-RPC methods of the operations that are not tools, and the group each belongs to.
    pub(crate) fn methods() -> impl Iterator<Item = &'static str> {
        [
            "resources/read",
            "prompts/get",
            "completion/complete",
            "resources/subscribe",
            remit_core::call::ISSUE,
        ]
        .into_iter()
        .chain(ClientFeature::ALL.into_iter().map(ClientFeature::method))
    }

    /// The servers that have tools here.
    pub fn servers(&self) -> BTreeSet<&Name> {
        self.selectors.keys().collect()
    }

    /// The known tools.
    pub fn tools(&self) -> impl Iterator<Item = &ToolRef> {
        self.tools.keys()
    }

    /// Why policy cannot see some arguments of a tool: JSON Pointer and reason. Empty for an unknown tool.
    #[must_use]
    pub fn opaque_parts(&self, tool: &ToolRef) -> Opaque {
        self.tools
            .get(tool)
            .map(|action| action.opaque.clone())
            .unwrap_or_default()
    }

    /// JSON Pointers of what policy cannot see in these arguments, in document order. Everything, for an unknown tool.
    #[must_use]
    pub fn opaque(&self, tool: &ToolRef, arguments: &Object) -> Vec<String> {
        let mut opaque = Vec::new();
        let known = self
            .tools
            .get(tool)
            .map(|action| convert::arguments(&action.fields, arguments, &mut opaque));
        if !matches!(known, Some(Ok(_))) {
            opaque = arguments
                .keys()
                .map(|key| format!("/{}", types::escape(key)))
                .collect();
        }
        opaque
    }

    /// The types of a tool's arguments that rules can use.
    #[must_use]
    pub fn argument_types(&self, tool: &ToolRef) -> Option<&BTreeMap<String, Field>> {
        self.tools.get(tool).map(|action| &action.fields)
    }

    /// True when there is such an action or group.
    pub(crate) fn knows(&self, uid: &EntityUID) -> bool {
        self.actions.contains(uid)
    }

    pub(crate) fn action(&self, server: &Name, operation: &Operation) -> Option<&Arc<Action>> {
        match operation {
            Operation::CallTool(tool) => self.tools.get(&ToolRef {
                server: server.clone(),
                tool: tool.clone(),
            }),
            other => {
                let method = other.method();
                self.operations
                    .iter()
                    .find(|a| a.uid.eid().as_ref().strip_prefix("mcp:") == Some(method))
            }
        }
    }

    /// What a call of `action` at `server` is selected by.
    pub(crate) fn selectors(&self, server: &Name, action: &Action) -> Cedar {
        if action.tool.is_some() {
            return action.selectors.clone();
        }
        self.selectors
            .get(server)
            .cloned()
            .unwrap_or_else(|| values::texts(server_selectors(server, ToolClass::Read)))
    }
}

fn server_selectors(server: &Name, class: ToolClass) -> [String; 4] {
    [
        "*".to_owned(),
        format!("*:{class}"),
        format!("{server}/*"),
        format!("{server}/*:{class}"),
    ]
}

fn with_groups(id: &str, groups: &[String]) -> (Arc<EntityUID>, Arc<Entity>) {
    let uid = names::action(id);
    let parents: HashSet<EntityUID> = groups.iter().map(|g| names::action(g)).collect();
    let entity = Entity::new_with_attr_partial_value(uid.clone(), [], HashSet::new(), parents, []);
    (Arc::new(uid), Arc::new(entity))
}

fn tool(index: u32, schema: &ToolSchema<'_>) -> Action {
    let ToolRef { server, .. } = &schema.tool;
    let id = schema.tool.to_string();
    let groups = [
        "any".to_owned(),
        schema.class.as_str().to_owned(),
        format!("{server}/*"),
    ];
    let (uid, entity) = with_groups(&id, &groups);
    let (fields, opaque) = argument_types(schema.input_schema);
    let mut selectors = server_selectors(server, schema.class).to_vec();
    selectors.push(format!("{id}:{}", schema.class));
    selectors.push(id);
    Action {
        index,
        uid,
        entity,
        tool: Some(schema.tool.clone()),
        class: Some(schema.class),
        fields,
        opaque,
        selectors: values::texts(selectors),
    }
}

fn operation(index: u32, method: &str) -> Action {
    let (uid, entity) = with_groups(&format!("mcp:{method}"), &operation_groups(method));
    Action {
        index,
        uid,
        entity,
        tool: None,
        class: None,
        fields: BTreeMap::new(),
        opaque: Opaque::new(),
        selectors: values::empty_set(),
    }
}

/// The groups of an operation: everything that looks is a read; what answers a server, and what issues a credential, are
/// groups of their own.
pub(crate) fn operation_groups(method: &str) -> [String; 2] {
    let answers = ClientFeature::ALL.into_iter().any(|f| f.method() == method);
    [
        "any".to_owned(),
        match method {
            remit_core::call::ISSUE => "issue",
            _ if answers => "answer",
            _ => "read",
        }
        .to_owned(),
    ]
}
