//! What a condition's form must be: where approval may stand, what it names, which literals it has.

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, UnaryOp, Var};
use cedar_policy_core::parser::Loc;

/// The conjuncts of a condition, left to right.
pub(crate) fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match expr.expr_kind() {
        ExprKind::And { left, right } => {
            let mut all = conjuncts(left);
            all.extend(conjuncts(right));
            all
        }
        _ => vec![expr],
    }
}

/// The `n` of `unless { context.approval.level >= n }`.
pub(crate) fn approval_level(conjunct: &Expr) -> Option<i64> {
    // `unless { a >= n }` arrives as `!(!(a < n))`.
    let ExprKind::BinaryApp { op, arg1, arg2 } = negated(negated(conjunct)?)?.expr_kind() else {
        return None;
    };
    let path = path(arg1)?;
    match (op, path.as_slice(), arg2.expr_kind()) {
        (BinaryOp::Less, ["approval", "level"], ExprKind::Lit(Literal::Long(n))) => Some(*n),
        _ => None,
    }
}

fn negated(expr: &Expr) -> Option<&Expr> {
    match expr.expr_kind() {
        ExprKind::UnaryApp {
            op: UnaryOp::Not,
            arg,
        } => Some(arg),
        _ => None,
    }
}

/// The attribute path of `context.a.b`, as `["a", "b"]`; `None` for anything that does not start at `context`.
pub(crate) fn path(expr: &Expr) -> Option<Vec<&str>> {
    match expr.expr_kind() {
        ExprKind::Var(Var::Context) => Some(Vec::new()),
        ExprKind::GetAttr { expr, attr } => {
            let mut path = path(expr)?;
            path.push(attr);
            Some(path)
        }
        _ => None,
    }
}

/// A mention of `context.…`.
pub(crate) struct Mention<'a> {
    pub path: Vec<&'a str>,
    pub loc: Option<&'a Loc>,
}

/// Every `context.…` in the condition, `has` included; the longest path of each.
pub(crate) fn mentions(condition: &Expr) -> Vec<Mention<'_>> {
    condition
        .subexpressions()
        .filter_map(|expr| {
            let path = match expr.expr_kind() {
                ExprKind::GetAttr { .. } => path(expr),
                ExprKind::HasAttr { expr, attr } => path(expr).map(|mut path| {
                    path.push(attr);
                    path
                }),
                ExprKind::ExtHasAttr { expr, attrs } => path(expr).map(|mut path| {
                    path.extend(attrs.iter().map(|attr| attr.as_str()));
                    path
                }),
                _ => None,
            }?;
            Some(Mention {
                path,
                loc: expr.source_loc(),
            })
        })
        .collect()
}

/// A place where `context` stands by itself instead of `context.something`.
pub(crate) fn bare_context(condition: &Expr) -> Option<&Expr> {
    let whole = |expr: &Expr| matches!(expr.expr_kind(), ExprKind::Var(Var::Context));
    let all = condition.subexpressions().filter(|e| whole(e)).count();
    let dotted = condition
        .subexpressions()
        .filter(|e| match e.expr_kind() {
            ExprKind::GetAttr { expr, .. }
            | ExprKind::HasAttr { expr, .. }
            | ExprKind::ExtHasAttr { expr, .. } => whole(expr),
            _ => false,
        })
        .count();
    (all > dotted)
        .then(|| condition.subexpressions().find(|e| whole(e)))
        .flatten()
}

/// True when the condition reads `resource`.
pub(crate) fn reads_resource(condition: &Expr) -> bool {
    condition
        .subexpressions()
        .any(|e| matches!(e.expr_kind(), ExprKind::Var(Var::Resource)))
}

/// `context.arguments.… == "text"`: path below the arguments, the text, and where.
pub(crate) fn compared_texts(condition: &Expr) -> Vec<(Vec<&str>, &str, Option<&Loc>)> {
    let mut found = Vec::new();
    for expr in condition.subexpressions() {
        let ExprKind::BinaryApp {
            op: BinaryOp::Eq,
            arg1,
            arg2,
        } = expr.expr_kind()
        else {
            continue;
        };
        for (side, other) in [(arg1, arg2), (arg2, arg1)] {
            if let (Some(path), ExprKind::Lit(Literal::String(text))) = (path(side), other.expr_kind())
                && let Some((&"arguments", rest)) = path.split_first()
            {
                found.push((rest.to_vec(), text.as_str(), other.source_loc()));
            }
        }
    }
    found
}
