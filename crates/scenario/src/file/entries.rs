//! Named parts in the order of the file, each with its line.

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

/// A map whose order counts.
#[derive(Clone, Debug)]
pub(crate) struct Entries<T>(pub Vec<Entry<T>>);

/// One named part.
#[derive(Clone, Debug)]
pub(crate) struct Entry<T> {
    pub name: String,
    pub line: usize,
    pub value: T,
}

impl<T> Entries<T> {
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.0
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| &entry.value)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|entry| entry.name.as_str())
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of names")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some((name, line, value)) = seq.next_element::<(String, usize, T)>()? {
                    entries.push(Entry { name, line, value });
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_struct(crate::text::ENTRIES, &[], InOrder(std::marker::PhantomData))
    }
}

#[cfg(test)]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Entries".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let value = generator.subschema_for::<T>();
        schemars::json_schema!({ "type": "object", "additionalProperties": value })
    }
}
