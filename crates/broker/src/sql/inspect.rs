//! Reads one statement and walks all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use remit_core::tool::ToolClass;
use remit_core::verb::Verb;
use sqlparser::ast::{
    Expr, FromTable, Ident, ObjectName, OrderByExpr, OrderBySort, Query, Select, SetExpr, Statement,
    TableFactor, TableObject, VisitMut as _, VisitorMut,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::attributes::Attributes;
use super::scope::{Scope, folded};
use super::{Inspection, NotInspectable, STATEMENT_BYTES_MAX, Table, functions, types};

/// Nesting a statement may have.
const DEPTH_MAX: usize = 40;
/// PostgreSQL cuts longer names off (`NAMEDATALEN`), and then means something else than was read here.
const NAME_BYTES_MAX: usize = 63;
/// Stack of the thread a statement is read on: a chain as long as a statement may be becomes a tree as deep as it is long.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// Understands `text`; names without a schema are looked up in `schema`, as the session does.
///
/// # Errors
/// [`NotInspectable`] with what to write instead.
pub fn inspect(text: &str, schema: &str) -> Result<Inspection, NotInspectable> {
    if text.len() > STATEMENT_BYTES_MAX {
        return Err(NotInspectable::new(format!(
            "a statement has at most {STATEMENT_BYTES_MAX} bytes"
        )));
    }
    if text.contains('\0') {
        return Err(NotInspectable::new("a statement holds no zero bytes"));
    }
    // A thread of its own: neither depth nor a fault of the parser reaches anybody else. Its stack is only reserved.
    std::thread::scope(|scope| {
        let reading = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || understand(text, schema))
            .map_err(|error| NotInspectable(format!("it cannot be read now: {error}")))?;
        reading
            .join()
            .unwrap_or_else(|_| Err(NotInspectable::new("the statement is not understood")))
    })
}

fn understand(text: &str, schema: &str) -> Result<Inspection, NotInspectable> {
    let mut statement = parse(text)?;
    let mut walk = Walk {
        schema,
        scope: Scope::default(),
        tables: BTreeSet::new(),
        named: BTreeMap::new(),
        targets: BTreeSet::new(),
        effects: BTreeSet::new(),
        verb: "",
        whole: false,
        locks: false,
        reads: false,
        function: None,
        attributes: Attributes::default(),
    };
    if let ControlFlow::Break(why) = statement.visit(&mut walk) {
        return Err(why);
    }
    let sent = statement.to_string();
    // What was understood and what will be sent are the same statement, or it is not sent.
    if parse(&sent)? != statement {
        return Err(NotInspectable::new(
            "the statement cannot be written back as it was understood: write it more plainly",
        ));
    }
    let attributes = walk.attributes.on_rows()?;
    let mut effects = walk.effects.iter().copied();
    let class = match (effects.next(), effects.next()) {
        (None, _) => ToolClass::Read,
        (Some(one), None) => one,
        (Some(_), Some(_)) => {
            return Err(NotInspectable::new(
                "one statement changes in two ways: send them one after the other",
            ));
        }
    };
    let reads_too = class != ToolClass::Read && walk.reads;
    let uses = uses(&walk, class, reads_too);
    Ok(Inspection {
        class,
        uses,
        verb: walk.verb,
        tables: walk.tables.into_iter().collect(),
        whole: walk.whole,
        reads_too,
        attributes,
        text: sent,
    })
}

/// What is done with each table. A table that rows are only added to is not read; one that is named once more is, and so is
/// every other.
fn uses(walk: &Walk<'_>, class: ToolClass, reads_too: bool) -> BTreeSet<(Table, Verb)> {
    if walk.whole {
        return BTreeSet::new();
    }
    let mut uses = walk.targets.clone();
    for table in &walk.tables {
        let verbs: Vec<Verb> = walk
            .targets
            .iter()
            .filter(|(target, _)| target == table)
            .map(|(_, verb)| *verb)
            .collect();
        if walk.locks {
            uses.insert((table.clone(), Verb::Update));
        }
        let only_added = verbs == [Verb::Insert] && walk.named.get(table).is_none_or(|times| *times <= 1);
        if class == ToolClass::Read || verbs.is_empty() || (reads_too && !only_added) {
            uses.insert((table.clone(), Verb::Class(ToolClass::Read)));
        }
    }
    uses
}

fn parse(text: &str) -> Result<Statement, NotInspectable> {
    let statements = Parser::new(&PostgreSqlDialect {})
        .with_recursion_limit(DEPTH_MAX)
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| {
            let error: String = error
                .to_string()
                .chars()
                .filter(|c| !c.is_control())
                .take(300)
                .collect();
            NotInspectable(format!("the statement is not understood: {error}"))
        })?;
    let mut statements = statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(NotInspectable::new("there is no statement")),
        (Some(_), Some(_)) => Err(NotInspectable::new(
            "there is more than one statement: send them one after the other",
        )),
    }
}

struct Walk<'s> {
    schema: &'s str,
    scope: Scope,
    tables: BTreeSet<Table>,
    /// How often the walk came to each of them.
    named: BTreeMap<Table, usize>,
    /// What is changed, and how.
    targets: BTreeSet<(Table, Verb)>,
    /// Classes of everything it changes.
    effects: BTreeSet<ToolClass>,
    verb: &'static str,
    whole: bool,
    /// Rows are locked, which is the right of those who change them.
    locks: bool,
    reads: bool,
    /// A function in the place of a table; the walk names it once more as a relation.
    function: Option<ObjectName>,
    attributes: Attributes,
}

type Step = ControlFlow<NotInspectable>;

fn refuse(why: impl Into<String>) -> Step {
    ControlFlow::Break(NotInspectable(why.into()))
}

impl Walk<'_> {
    fn changes(&mut self, class: ToolClass, verb: &'static str) {
        self.effects.insert(class);
        self.verb = verb;
    }

    fn named(&mut self, verb: &'static str) {
        if self.verb.is_empty() {
            self.verb = verb;
        }
    }

    /// A table that is changed.
    fn changed(&mut self, name: &mut ObjectName, verb: Verb) -> Step {
        match self.resolved(name, false) {
            Ok(Some(table)) => {
                self.write(name, &table);
                self.targets.insert((table.clone(), verb));
                self.tables.insert(table);
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(why) => ControlFlow::Break(why),
        }
    }

    fn table(&mut self, name: &mut ObjectName, may_be_expression: bool) -> Step {
        match self.resolved(name, may_be_expression) {
            Ok(Some(table)) => {
                self.write(name, &table);
                *self.named.entry(table.clone()).or_default() += 1;
                self.tables.insert(table);
                ControlFlow::Continue(())
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(why) => ControlFlow::Break(why),
        }
    }

    /// Writes the name so that it can mean nothing else: with its schema, and quoted. Definitions put names where no schema
    /// may stand, and are about the whole database anyway.
    fn write(&self, name: &mut ObjectName, table: &Table) {
        if !self.whole {
            let quoted = |name: &str| Ident::with_quote('"', name);
            *name = vec![quoted(&table.schema), quoted(&table.name)].into();
        }
    }

    /// `None` for the name of an expression of the statement itself.
    fn resolved(&self, name: &ObjectName, may_be_expression: bool) -> Result<Option<Table>, NotInspectable> {
        let mut parts = Vec::new();
        for part in &name.0 {
            match part.as_ident() {
                Some(ident) => {
                    unmistakable(ident)?;
                    parts.push(folded(ident));
                }
                None => {
                    return Err(NotInspectable(format!("`{name}` is no plain name of a table")));
                }
            }
        }
        let table = match parts.as_slice() {
            [name] if may_be_expression && self.scope.is_expression(name) => return Ok(None),
            // The catalogue is searched before every other schema.
            [name] if name.starts_with("pg_") => {
                return Err(NotInspectable(format!(
                    "`{name}` may be a table of the catalogue: name the schema of your table"
                )));
            }
            [name] => Table {
                schema: self.schema.to_owned(),
                name: name.clone(),
            },
            // Passwords, settings and other sessions' statements lie there; `information_schema` shows what may be seen.
            [schema, _] if schema.starts_with("pg_") => {
                return Err(NotInspectable(format!(
                    "`{name}` is a table of the catalogue: `information_schema` describes tables"
                )));
            }
            [schema, name] => Table {
                schema: schema.clone(),
                name: name.clone(),
            },
            _ => {
                return Err(NotInspectable(format!(
                    "`{name}` names a database: write `schema.table`"
                )));
            }
        };
        Ok(Some(table))
    }

    fn function(&self, name: &ObjectName) -> Step {
        let parts: Option<Vec<String>> = name.0.iter().map(|part| part.as_ident().map(folded)).collect();
        let plain = match parts.as_deref() {
            Some([name]) => functions::is_plain(name),
            Some([schema, name]) => schema == "pg_catalog" && functions::is_plain(name),
            _ => false,
        };
        if plain {
            ControlFlow::Continue(())
        } else {
            refuse(format!(
                "the function `{name}` is not one that only computes: what it does cannot be seen"
            ))
        }
    }

    /// Parts of a query that the walk does not show as relations.
    fn body(&self, body: &SetExpr) -> Step {
        match body {
            SetExpr::Table(_) => refuse("write `SELECT * FROM table` in place of `TABLE table`"),
            SetExpr::Merge(_) => refuse("`MERGE` changes in several ways: send them one after the other"),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left)?;
                self.body(right)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn target(&mut self, factor: &mut TableFactor, verb: Verb) -> Step {
        match factor {
            TableFactor::Table { name, args: None, .. } => self.changed(name, verb),
            _ => refuse("what is changed is no plain table"),
        }
    }
}

impl VisitorMut for Walk<'_> {
    type Break = NotInspectable;

    fn pre_visit_statement(&mut self, statement: &mut Statement) -> Step {
        match statement {
            Statement::Query(_) => self.named("select"),
            Statement::Explain {
                analyze: false,
                options: None,
                ..
            } => self.named("explain"),
            Statement::Insert(insert) => {
                self.changes(ToolClass::Write, "insert");
                let TableObject::TableName(name) = &mut insert.table else {
                    return refuse("what is inserted into is no plain table");
                };
                self.changed(name, Verb::Insert)?;
                if insert.on.is_some() {
                    // What is there already may be changed in place of adding to it.
                    self.changed(name, Verb::Update)?;
                    self.reads = true;
                }
                if insert.returning.is_some() {
                    self.table(name, false)?;
                    self.reads = true;
                }
            }
            Statement::Update(update) => {
                self.changes(ToolClass::Write, "update");
                self.target(&mut update.table.relation, Verb::Update)?;
                self.reads |=
                    update.selection.is_some() || update.returning.is_some() || update.from.is_some();
            }
            Statement::Delete(delete) => {
                self.changes(ToolClass::Delete, "delete");
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &mut delete.from;
                let [one] = from.as_mut_slice() else {
                    return refuse("what is deleted from is no single table");
                };
                self.target(&mut one.relation, Verb::Class(ToolClass::Delete))?;
                self.reads |=
                    delete.selection.is_some() || delete.returning.is_some() || delete.using.is_some();
            }
            Statement::Truncate(truncate) => {
                self.changes(ToolClass::Delete, "truncate");
                for target in &mut truncate.table_names {
                    self.changed(&mut target.name, Verb::Class(ToolClass::Delete))?;
                }
                if truncate.cascade.is_some() {
                    self.whole = true;
                }
            }
            Statement::CreateTable(_)
            | Statement::CreateIndex(_)
            | Statement::CreateView(_)
            | Statement::AlterTable(_)
            | Statement::Drop { .. } => {
                self.changes(ToolClass::Privilege, "define");
                self.whole = true;
            }
            Statement::Grant { .. } | Statement::Revoke { .. } => {
                self.changes(ToolClass::Privilege, "grant");
                self.whole = true;
            }
            _ => {
                return refuse(
                    "only select, insert, update, delete, truncate, plain explain, definitions of tables, indexes and views, \
                     grant and revoke are understood",
                );
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> Step {
        self.scope.enter(query);
        self.body(&query.body)?;
        if !query.pipe_operators.is_empty()
            || query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
        {
            return refuse("the query has clauses PostgreSQL does not have");
        }
        if !query.locks.is_empty() {
            self.changes(ToolClass::Write, "lock");
            self.locks = true;
            self.reads = true;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> Step {
        self.scope.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Step {
        if select.into.is_some() {
            return refuse("`SELECT INTO` makes a table: write `INSERT INTO … SELECT`");
        }
        self.reads |= !select.from.is_empty();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> Step {
        match factor {
            TableFactor::Table {
                name,
                args: Some(_),
                alias,
                with_ordinality,
                ..
            } => {
                self.function(name)?;
                self.attributes.result(name, alias.as_ref(), *with_ordinality);
                self.function = Some(name.clone());
            }
            TableFactor::Function {
                name,
                alias,
                with_ordinality,
                ..
            } => {
                self.function(name)?;
                self.attributes.result(name, alias.as_ref(), *with_ordinality);
            }
            TableFactor::UNNEST {
                alias,
                with_ordinality,
                ..
            } => {
                let name = vec![Ident::new("unnest")].into();
                self.attributes.result(&name, alias.as_ref(), *with_ordinality);
            }
            TableFactor::Table { .. } | TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => {}
            _ => return refuse("the query reads from something that is no table, query or plain function"),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> Step {
        if self.function.as_ref() == Some(&*name) {
            self.function = None;
            return ControlFlow::Continue(());
        }
        self.table(name, true)
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> Step {
        match expression {
            Expr::Function(function) => self.function(&function.name),
            // Whatever is computed from a column may come back, if only in the words of an error.
            Expr::Identifier(ident) => {
                self.reads |= ident.quote_style.is_some() || !ident.value.eq_ignore_ascii_case("default");
                ControlFlow::Continue(())
            }
            Expr::CompoundIdentifier(parts) => {
                self.reads = true;
                self.attributes.name(parts);
                ControlFlow::Continue(())
            }
            Expr::QualifiedWildcard(..) => {
                self.reads = true;
                ControlFlow::Continue(())
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                match self.attributes.access(root, access_chain) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(why) => ControlFlow::Break(why),
                }
            }
            Expr::Cast { data_type, .. } if !types::is_plain(data_type) => refuse_type(data_type),
            Expr::TypedString(typed) if !types::is_plain(&typed.data_type) => refuse_type(&typed.data_type),
            Expr::BinaryOp { op, .. }
            | Expr::AnyOp { compare_op: op, .. }
            | Expr::AllOp { compare_op: op, .. }
                if !types::is_own(op) =>
            {
                refuse(format!(
                    "the operator `{op}` is not written as one of PostgreSQL's own: what it does cannot be seen"
                ))
            }
            Expr::UnaryOp { op, .. } if !types::is_own_prefix(*op) => {
                refuse(format!("PostgreSQL has no operator `{op}` in front of a value"))
            }
            Expr::Lambda(_)
            | Expr::Map(_)
            | Expr::Dictionary(_)
            | Expr::Struct { .. }
            | Expr::Convert { .. }
            | Expr::Prefixed { .. }
            | Expr::JsonAccess { .. }
            | Expr::OuterJoin(_)
            | Expr::Prior(_)
            | Expr::MemberOf(_)
            | Expr::MatchAgainst { .. } => refuse(format!("`{expression}` is nothing PostgreSQL has")),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_order_by_expr(&mut self, order: &mut OrderByExpr) -> Step {
        match &order.options.sort {
            Some(OrderBySort::Using(_)) => {
                refuse("write `ASC` or `DESC`: what an operator after `USING` does cannot be seen")
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_ident(&mut self, ident: &mut Ident) -> Step {
        match unmistakable(ident) {
            Ok(()) => ControlFlow::Continue(()),
            Err(why) => ControlFlow::Break(why),
        }
    }
}

/// A name that PostgreSQL reads as it was read here.
fn unmistakable(ident: &Ident) -> Result<(), NotInspectable> {
    if ident.value.len() > NAME_BYTES_MAX {
        return Err(NotInspectable(format!(
            "PostgreSQL cuts off names longer than {NAME_BYTES_MAX} bytes: write `{}` as it is in the database",
            ident.value.chars().take(80).collect::<String>()
        )));
    }
    if ident.quote_style.is_none() && !ident.value.is_ascii() {
        // Whether they are folded to lower case depends on the encoding of the database.
        return Err(NotInspectable(format!(
            "a name with letters beyond ASCII has to be quoted: write `\"{}\"`",
            ident.value
        )));
    }
    Ok(())
}

fn refuse_type(kind: &sqlparser::ast::DataType) -> Step {
    refuse(format!(
        "a cast to `{kind}` may run code of the database's own: leave it out, or cast to one of PostgreSQL's plain types"
    ))
}
