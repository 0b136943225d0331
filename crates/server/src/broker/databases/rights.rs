//! What the role of a task gets: the tables its roots cover, with the verbs its tools allow.

use remit_broker::backend::postgresql::Verbs;
use remit_broker::sql::Table;
use remit_core::authority::{Authority, Scope};
use remit_core::name::Name;
use remit_core::resource::Resource;
use remit_core::tool::{ToolClass, ToolRef};
use remit_core::verb::{Narrowed, Verb};

use super::tool_of;

/// Rights of one task on one database, to be compared when the task changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    database: Name,
    roots: Option<Vec<String>>,
    scope: Scope<Resource>,
    narrowed: Narrowed,
    verbs: Verbs,
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
            narrowed: authority.narrowed.clone(),
            verbs: Verbs {
                read: may(ToolClass::Read),
                insert: may(ToolClass::Write),
                update: may(ToolClass::Write),
                delete: may(ToolClass::Delete),
            },
        }
    }

    /// What the task may do with a table; `None` for one that is not its own.
    pub(crate) fn of_table(&self, table: &Table) -> Option<Verbs> {
        // A name with a slash in it would read as another table's place: it is nobody's.
        let resource = table.resource(&self.database).ok()?;
        let allows = |verb| self.narrowed.allows(&resource, verb);
        self.scope.covers(&resource).then(|| Verbs {
            read: self.verbs.read && allows(Verb::Class(ToolClass::Read)),
            insert: self.verbs.insert && allows(Verb::Insert),
            update: self.verbs.update && allows(Verb::Update),
            delete: self.verbs.delete && allows(Verb::Class(ToolClass::Delete)),
        })
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

    fn held(tools: &[&str], roots: &[&str]) -> Held {
        Held::of(&authority(tools, roots), &"erp".parse().unwrap())
    }

    const READ: Verbs = Verbs {
        read: true,
        insert: false,
        update: false,
        delete: false,
    };

    #[test]
    fn a_role_holds_what_the_task_holds() {
        let reading = held(&["erp/db.query"], &["erp:public/a"]);
        assert_eq!(reading.of_table(&table("public", "a")), Some(READ));
        assert_eq!(reading.of_table(&table("public", "b")), None);
        assert_eq!(reading.of_table(&table("public", "a/b")), None);
        let whole = held(&["erp/*"], &["erp:public"]);
        let b = whole.of_table(&table("public", "b")).unwrap();
        assert!(b.read && b.insert && b.update && b.delete);
        assert_eq!(whole.of_table(&table("hr", "b")), None);
        let elsewhere = held(&["erp/*"], &["crm:public"]);
        assert_eq!(elsewhere.of_table(&table("public", "a")), None);
        assert_ne!(reading, whole);
    }

    #[test]
    fn each_table_has_its_own_verbs() {
        let mut authority = authority(&["erp/db.query", "erp/db.write"], &["erp:public"]);
        let roots = ["erp:public/a#read", "erp:public/b#insert"].map(|root| root.parse().unwrap());
        authority.narrowed = remit_core::verb::apart(roots.to_vec()).unwrap().1;
        let held = Held::of(&authority, &"erp".parse().unwrap());
        assert_eq!(held.of_table(&table("public", "a")), Some(READ));
        let b = held.of_table(&table("public", "b")).unwrap();
        assert_eq!(
            (b.read, b.insert, b.update, b.delete),
            (false, true, false, false)
        );
        assert!(held.of_table(&table("public", "c")).unwrap().update);
    }
}
