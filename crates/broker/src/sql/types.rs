//! Types and operators of the catalogue. A cast to another type calls its input function, and an operator of somebody's own
//! is a function under another name: both run code nobody has seen.

use sqlparser::ast::{ArrayElemTypeDef, BinaryOperator, DataType, ObjectName, UnaryOperator};

use super::scope::folded;

/// Types of PostgreSQL, by name, whose input computes and does nothing else. Those that look something up
/// (`regclass` and the like) are none of them.
const TYPES: &[&str] = &[
    "bit",
    "bool",
    "box",
    "bpchar",
    "bytea",
    "cidr",
    "circle",
    "date",
    "datemultirange",
    "daterange",
    "float4",
    "float8",
    "inet",
    "int2",
    "int4",
    "int4multirange",
    "int4range",
    "int8",
    "int8multirange",
    "int8range",
    "interval",
    "json",
    "jsonb",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "numeric",
    "nummultirange",
    "numrange",
    "oid",
    "path",
    "point",
    "polygon",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
    "tsvector",
    "uuid",
    "varbit",
    "varchar",
];

/// Names of PostgreSQL's own operators of two sides. One of another name is somebody's own.
const OPERATORS: &[&str] = &[
    "!~", "!~*", "!~~", "!~~*", "#", "##", "#-", "#>", "#>>", "%", "&", "&&", "&<", "&<|", "&>", "*", "*<",
    "*<=", "*<>", "*=", "*>", "*>=", "+", "-", "->", "->>", "-|-", "/", "<", "<->", "<<", "<<=", "<<|", "<=",
    "<>", "<@", "<^", "=", ">", ">=", ">>", ">>=", ">^", "?", "?#", "?&", "?-", "?-|", "?|", "?||", "@>",
    "@?", "@@", "@@@", "AND", "OR", "OVERLAPS", "^", "^@", "|", "|&>", "|>>", "||", "~", "~*", "~<=~", "~<~",
    "~=", "~>=~", "~>~", "~~", "~~*",
];

/// True when a cast to the type computes and does nothing else.
pub(super) fn is_plain(kind: &DataType) -> bool {
    match kind {
        DataType::Character(_)
        | DataType::Char(_)
        | DataType::CharacterVarying(_)
        | DataType::CharVarying(_)
        | DataType::Varchar(_)
        | DataType::Text
        | DataType::Uuid
        | DataType::Numeric(_)
        | DataType::Decimal(_)
        | DataType::Dec(_)
        | DataType::Float(_)
        | DataType::Int2(_)
        | DataType::SmallInt(_)
        | DataType::Int(_)
        | DataType::Int4(_)
        | DataType::Int8(_)
        | DataType::Integer(_)
        | DataType::BigInt(_)
        | DataType::Float4
        | DataType::Float8
        | DataType::Real
        | DataType::DoublePrecision
        | DataType::Bool
        | DataType::Boolean
        | DataType::Date
        | DataType::Time(..)
        | DataType::Timestamp(..)
        | DataType::Interval { .. }
        | DataType::JSON
        | DataType::JSONB
        | DataType::Bytea
        | DataType::Bit(_)
        | DataType::BitVarying(_)
        | DataType::VarBit(_)
        | DataType::GeometricType(_)
        | DataType::TsVector
        | DataType::TsQuery => true,
        DataType::Array(ArrayElemTypeDef::SquareBracket(of, _) | ArrayElemTypeDef::Qualified(of, _)) => {
            is_plain(of)
        }
        DataType::Custom(name, _) => is_known(name),
        _ => false,
    }
}

fn is_known(name: &ObjectName) -> bool {
    let parts: Option<Vec<String>> = name.0.iter().map(|part| part.as_ident().map(folded)).collect();
    match parts.as_deref() {
        // The catalogue is searched before every other schema.
        Some([name]) => TYPES.binary_search(&name.as_str()).is_ok(),
        Some([schema, name]) => schema == "pg_catalog" && TYPES.binary_search(&name.as_str()).is_ok(),
        _ => false,
    }
}

/// True for an operator of one side that PostgreSQL has itself.
pub(super) const fn is_own_prefix(operator: UnaryOperator) -> bool {
    !matches!(
        operator,
        UnaryOperator::BangNot | UnaryOperator::PGPostfixFactorial
    )
}

/// True for an operator that is written as PostgreSQL's own are.
pub(super) fn is_own(operator: &BinaryOperator) -> bool {
    OPERATORS.binary_search(&operator.to_string().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted() {
        assert!(TYPES.is_sorted() && OPERATORS.is_sorted());
        assert!(!TYPES.iter().any(|name| name.starts_with("reg")));
    }
}
