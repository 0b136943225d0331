//! Serde over [`Node`]: typed values with the place of whatever does not fit.

use serde::Deserializer;
use serde::de::value::{StrDeserializer, StringDeserializer, U64Deserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::{Key, Kind, Node, Problem};

/// A struct of this name is given `(key, line, value)` of each entry of a map, in the order of the file.
pub(crate) const ENTRIES: &str = "$entries";

/// Reads a `T`.
pub(crate) fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, Problem> {
    T::deserialize(node)
}

/// Reads a `T` from some entries of a map that stands at `line`.
pub(crate) fn from_map<T: DeserializeOwned>(line: usize, entries: Vec<(Key, Node)>) -> Result<T, Problem> {
    from_node(&Node {
        line,
        column: 0,
        kind: Kind::Map(entries),
    })
}

impl Node {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a truth value",
            Kind::Int(_) => "a whole number",
            Kind::Float(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    fn place<T>(&self, result: Result<T, Problem>) -> Result<T, Problem> {
        result.map_err(|problem| problem.or_at(self.line, self.column))
    }

    fn expected(&self, what: &str) -> Problem {
        let sentence = format!("{what} is expected here, not {}", self.name());
        Problem::at(0, sentence).or_at(self.line, self.column)
    }
}

impl<'de> Deserializer<'de> for &Node {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let result = match &self.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Int(value) => visitor.visit_i64(*value),
            Kind::Float(value) => visitor.visit_f64(*value),
            Kind::Text(value) => visitor.visit_str(value),
            Kind::List(items) => visitor.visit_seq(Items(items.iter())),
            Kind::Map(entries) => visitor.visit_map(Entries::new(entries)),
        };
        self.place(result)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.kind {
            Kind::Null => Err(self.expected("a value")),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let result = visitor.visit_newtype_struct(self);
        self.place(result)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let Kind::Map(entries) = &self.kind else {
            return Err(self.expected("a map"));
        };
        let result = if name == ENTRIES {
            visitor.visit_seq(Listed(entries.iter()))
        } else {
            visitor.visit_map(Entries::new(entries))
        };
        self.place(result)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let Kind::Map(entries) = &self.kind else {
            return Err(self.expected("a map"));
        };
        self.place(visitor.visit_map(Entries::new(entries)))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let Kind::List(items) = &self.kind else {
            return Err(self.expected("a list"));
        };
        self.place(visitor.visit_seq(Items(items.iter())))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.kind {
            Kind::Text(text) => self.place(visitor.visit_str(text)),
            Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) => Err(self.expected("text (put it in quotes)")),
            _ => Err(self.expected("text")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match &self.kind {
            Kind::Text(word) => self.place(visitor.visit_enum(Word(word))),
            _ => Err(self.expected("a word")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}

struct Items<'n>(std::slice::Iter<'n, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        self.0
            .next()
            .map(|node| node.place(seed.deserialize(node)))
            .transpose()
    }
}

struct Entries<'n> {
    entries: std::slice::Iter<'n, (Key, Node)>,
    value: Option<&'n Node>,
}

impl<'n> Entries<'n> {
    fn new(entries: &'n [(Key, Node)]) -> Self {
        Self {
            entries: entries.iter(),
            value: None,
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        let text: StrDeserializer<'_, Problem> = key.text.as_str().into_deserializer();
        seed.deserialize(text)
            .map(Some)
            .map_err(|problem| problem.or_at(key.line, key.column))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        match self.value.take() {
            Some(node) => node.place(seed.deserialize(node)),
            None => Err(Problem::at(0, "a value is missing")),
        }
    }
}

/// One `(key, line, value)` per entry.
struct Listed<'n>(std::slice::Iter<'n, (Key, Node)>);

impl<'de> SeqAccess<'de> for Listed<'_> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some((key, value)) = self.0.next() else {
            return Ok(None);
        };
        let triple = Triple { key, value, part: 0 };
        let result = seed.deserialize(serde::de::value::SeqAccessDeserializer::new(triple));
        result
            .map(Some)
            .map_err(|problem| problem.or_at(key.line, key.column))
    }
}

struct Triple<'n> {
    key: &'n Key,
    value: &'n Node,
    part: u8,
}

impl<'de> SeqAccess<'de> for Triple<'_> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        self.part += 1;
        match self.part {
            1 => {
                let text: StringDeserializer<Problem> = self.key.text.clone().into_deserializer();
                seed.deserialize(text).map(Some)
            }
            2 => {
                let line: U64Deserializer<Problem> = (self.key.line as u64).into_deserializer();
                seed.deserialize(line).map(Some)
            }
            3 => self.value.place(seed.deserialize(self.value)).map(Some),
            _ => Ok(None),
        }
    }
}

/// A word of a closed list.
struct Word<'n>(&'n str);

impl<'de> EnumAccess<'de> for Word<'_> {
    type Error = Problem;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Problem> {
        let text: StrDeserializer<'_, Problem> = self.0.into_deserializer();
        Ok((seed.deserialize(text)?, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = Problem;

    fn unit_variant(self) -> Result<(), Problem> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Problem> {
        Err(Problem::at(0, "a word is expected here"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Problem> {
        Err(Problem::at(0, "a word is expected here"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Problem> {
        Err(Problem::at(0, "a word is expected here"))
    }
}
