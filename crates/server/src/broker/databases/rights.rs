//! What the role of a task gets: the tables its roots cover, with the verbs its tools allow.

use remit_broker::backend::postgresql::Verbs;
use remit_broker::sql::Table;
use remit_core::authority::{Authority, Scope};
use remit_core::name::Name;
use remit_core::resource::Resource;
use remit_core::tool::{ToolClass, ToolRef};

use super::tool_of;

/// Rights of one task on one database, to be compared when the task changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    database: Name,
    roots: Option<Vec<String>>,
    scope: Scope<Resource>,
    pub(crate) verbs: Verbs,
}

impl Held {
    /// As the authority says now.
    pub(crate) fn of(authority: &Authority, database: &Name) -> Self {
        let may = |class: ToolClass| {
            tool_of(class)
                .and_then(|tool| tool.parse().ok())
                .is_some_and(|tool| {
                    let tool = ToolRef {
                        server: database.clone(),
                        tool,
                    };
                    authority.selects(&tool, class)
                })
        };
        let roots = match &authority.resources {
            Scope::Any => None,
            Scope::Only(roots) => Some(
                roots
                    .iter()
                    .filter(|root| root.system() == database)
                    .map(ToString::to_string)
                    .collect(),
            ),
        };
        Self {
            database: database.clone(),
            roots,
            scope: authority.resources.clone(),
            verbs: Verbs {
                read: may(ToolClass::Read),
                write: may(ToolClass::Write),
                delete: may(ToolClass::Delete),
            },
        }
    }

    /// True for a table of the task.
    pub(crate) fn covers(&self, table: &Table) -> bool {
        let path = format!("{}/{}", table.schema, table.name);
        // A name with a slash in it would read as another table's place.
        if table.schema.contains('/') || table.name.contains('/') {
            return false;
        }
        Resource::new(self.database.clone(), &path).is_ok_and(|resource| self.scope.covers(&resource))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(tools: &[&str], roots: &[&str]) -> Authority {
        let mut authority = Authority::unbounded();
        authority.tools = tools.iter().map(|tool| tool.parse().unwrap()).collect();
        authority.resources = Scope::Only(roots.iter().map(|root| root.parse().unwrap()).collect());
        authority
    }

    fn table(schema: &str, name: &str) -> Table {
        Table {
            schema: schema.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_role_holds_what_the_task_holds() {
        let erp: Name = "erp".parse().unwrap();
        let held = Held::of(&authority(&["erp/db.query"], &["erp:public/a"]), &erp);
        assert_eq!(
            held.verbs,
            Verbs {
                read: true,
                write: false,
                delete: false
            }
        );
        assert!(held.covers(&table("public", "a")));
        assert!(!held.covers(&table("public", "b")));
        assert!(!held.covers(&table("public", "a/b")));
        let whole = Held::of(&authority(&["erp/*"], &["erp:public"]), &erp);
        assert!(whole.covers(&table("public", "b")) && !whole.covers(&table("hr", "b")));
        assert!(whole.verbs.write && whole.verbs.delete);
        let elsewhere = Held::of(&authority(&["erp/*"], &["crm:public"]), &erp);
        assert!(!elsewhere.covers(&table("public", "a")));
        assert_ne!(held, whole);
    }
}
