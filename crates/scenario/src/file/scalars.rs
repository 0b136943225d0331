//! Small values with a written form: lengths of time, moments, one text or several.

use std::fmt;

use remit_core::time::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// A length of time, in milliseconds; written `90s`, `30m`, `2h`, `3d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub u64);

impl Span {
    pub(crate) fn ms(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let sentence = || {
            D::Error::custom(format!(
                "`{text}` is not a length of time; write `90s`, `30m`, `2h` or `3d`"
            ))
        };
        // jiff counts a day only relative to a date; here a day is 24 hours.
        let ms = match text.strip_suffix('d').map(|days| days.trim().parse::<u64>()) {
            Some(days) => days.ok().and_then(|days| days.checked_mul(86_400_000)),
            None => text
                .parse::<jiff::SignedDuration>()
                .ok()
                .and_then(|span| u64::try_from(span.as_millis()).ok()),
        };
        ms.map(Self).ok_or_else(sentence)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// A moment; written as RFC 3339: `2026-01-05T09:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse::<jiff::Timestamp>() {
            Ok(moment) => Ok(Self(Timestamp(moment.as_millisecond()))),
            Err(_) => Err(D::Error::custom(format!(
                "`{text}` is not a moment; write for example `2026-01-05T09:00:00Z`"
            ))),
        }
    }
}

/// One text, or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}

#[cfg(test)]
mod described {
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{Moment, Span, Texts};

    macro_rules! described {
        ($($name:ident: $schema:tt;)*) => {$(
            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($schema)
                }
            }
        )*};
    }
    described! {
        Span: { "type": "string", "pattern": "^[0-9]", "examples": ["90s", "30m", "2h", "3d"] };
        Moment: { "type": "string", "format": "date-time", "examples": ["2026-01-05T09:00:00Z"] };
        Texts: { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] };
    }
}
