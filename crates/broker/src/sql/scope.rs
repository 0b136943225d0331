//! Which names are common table expressions where: a name that looks like one may still be a table.
//!
//! PostgreSQL lets an expression see those written before it (all of them in `WITH RECURSIVE`), and the body see all.
//! Inside its own text, without `RECURSIVE`, its name still means the table.

use sqlparser::ast::{Ident, Query};

/// The expressions of one query, while it is walked.
struct Frame {
    /// Name and text of each, in order; the text is only compared by place, never read through.
    entries: Vec<(String, *const Query)>,
    recursive: bool,
    visible: usize,
}

/// The queries around the place that is walked, innermost last.
#[derive(Default)]
pub(super) struct Scope(Vec<Frame>);

/// An identifier as PostgreSQL reads it: its ASCII letters folded to lower case unless it is quoted.
pub(super) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

impl Scope {
    /// A query is entered.
    pub(super) fn enter(&mut self, query: &Query) {
        if let Some(outer) = self.0.last_mut()
            && !outer.recursive
            && let Some(at) = outer
                .entries
                .iter()
                .position(|(_, text)| std::ptr::eq(*text, query))
        {
            outer.visible = at;
        }
        let (entries, recursive) = match &query.with {
            Some(with) => (
                with.cte_tables
                    .iter()
                    .map(|cte| (folded(&cte.alias.name), std::ptr::from_ref::<Query>(&cte.query)))
                    .collect::<Vec<_>>(),
                with.recursive,
            ),
            None => (Vec::new(), false),
        };
        let visible = if recursive { entries.len() } else { 0 };
        self.0.push(Frame {
            entries,
            recursive,
            visible,
        });
    }

    /// A query is left.
    pub(super) fn leave(&mut self, query: &Query) {
        self.0.pop();
        if let Some(outer) = self.0.last_mut()
            && !outer.recursive
            && let Some(at) = outer
                .entries
                .iter()
                .position(|(_, text)| std::ptr::eq(*text, query))
        {
            outer.visible = at + 1;
        }
    }

    /// True when the unqualified `name` is a common table expression here.
    pub(super) fn is_expression(&self, name: &str) -> bool {
        self.0.iter().rev().any(|frame| {
            frame
                .entries
                .iter()
                .take(frame.visible)
                .any(|(known, _)| known == name)
        })
    }
}
