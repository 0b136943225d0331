//! Names with a dot in expressions. `x.f` is the column `f` of `x` where there is one, and the function `f` called on the row
//! `x` where there is none ("Using Composite Types in Queries" of PostgreSQL's manual).
//!
//! On a table or query the row is a row: the functions of the catalogue that take any row only compute, and whether
//! the database has one of its own is looked up before the statement runs. On the result of a function the "row" is its
//! value, which every function of the catalogue may take; so is it on `(expression).f`.

use std::collections::BTreeSet;

use sqlparser::ast::{AccessExpr, Expr, Ident, ObjectName, TableAlias};

use super::NotInspectable;
use super::scope::folded;

/// What a statement names with a dot.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// `x.f`: qualifier and name.
    dotted: BTreeSet<(String, String)>,
    /// Results of functions in `FROM`: how they are called, and the columns they have for certain.
    results: Vec<(String, BTreeSet<String>)>,
}

impl Attributes {
    /// A name in an expression.
    pub(super) fn name(&mut self, parts: &[Ident]) {
        if let [.., of, name] = parts {
            self.dotted.insert((folded(of), folded(name)));
        }
    }

    /// Elements and fields of an expression.
    pub(super) fn access(&mut self, root: &Expr, chain: &[AccessExpr]) -> Result<(), NotInspectable> {
        let mut parts = match root {
            Expr::Identifier(ident) => vec![ident.clone()],
            Expr::CompoundIdentifier(parts) => parts.clone(),
            _ => Vec::new(),
        };
        let mut chain = chain.iter().peekable();
        if !parts.is_empty() {
            while let Some(AccessExpr::Dot(Expr::Identifier(ident))) = chain.peek() {
                parts.push(ident.clone());
                chain.next();
            }
        }
        self.name(&parts);
        if chain.any(|access| matches!(access, AccessExpr::Dot(_))) {
            return Err(NotInspectable::new(
                "`(…).name` may call a function instead of reading a field: read the whole value",
            ));
        }
        Ok(())
    }

    /// A function in the place of a table.
    pub(super) fn result(&mut self, function: &ObjectName, alias: Option<&TableAlias>, ordinality: bool) {
        let own = function.0.last().and_then(|part| part.as_ident()).map(folded);
        let own = own.unwrap_or_default();
        let name = alias.map_or_else(|| own.clone(), |alias| folded(&alias.name));
        let mut columns: BTreeSet<String> = alias
            .iter()
            .flat_map(|alias| &alias.columns)
            .map(|column| folded(&column.name))
            .collect();
        if columns.is_empty() {
            // The one column of a function that gives single values is called as the result is.
            columns.insert(name.clone());
            if ordinality {
                columns.insert("ordinality".to_owned());
            }
            if own.starts_with("json") {
                columns.extend(["key", "value"].map(str::to_owned));
            }
        }
        self.results.push((name, columns));
    }

    /// The names that may be functions called on a row.
    ///
    /// # Errors
    /// One that may be called on a value.
    pub(super) fn on_rows(&self) -> Result<Vec<String>, NotInspectable> {
        for (of, name) in &self.dotted {
            let known =
                |(result, columns): &(String, BTreeSet<String>)| result != of || columns.contains(name);
            if !self.results.iter().all(known) {
                return Err(NotInspectable(format!(
                    "`{of}.{name}` may call a function: name the columns of a function's result, `AS {of}(…)`"
                )));
            }
        }
        let names: BTreeSet<&String> = self.dotted.iter().map(|(_, name)| name).collect();
        Ok(names.into_iter().cloned().collect())
    }
}
