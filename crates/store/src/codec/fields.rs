//! Reading an object member by member, until none is left.

use std::fmt::Display;
use std::str::FromStr;

use remit_core::json::{self, Bounds, Object, Value};

/// JSON that is not what it should be. The fault is the writer's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct BadJson {
    /// Names of the members on the way, separated by dots.
    pub place: String,
    /// What is wrong there.
    pub why: String,
}

impl BadJson {
    /// Something wrong at `place`.
    #[must_use]
    pub fn new(place: impl Into<String>, why: impl Display) -> Self {
        Self {
            place: place.into(),
            why: why.to_string(),
        }
    }

    /// The same, seen from the member that holds it.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        self.place = if self.place.is_empty() {
            place.to_owned()
        } else {
            format!("{place}.{}", self.place)
        };
        self
    }
}

/// Bounds of what we stored ourselves: exact, and as large as a tool definition or a call may be.
const STORED: Bounds = Bounds {
    nul: json::Nul::Kept,
    ..Bounds::REQUEST
};

/// Reads stored or received JSON text.
///
/// # Errors
/// [`BadJson`] with the parser's sentence.
pub fn read(text: &[u8]) -> Result<Value, BadJson> {
    json::parse(text, &STORED).map_err(|error| BadJson::new("", error))
}

/// The members of an object that were not taken yet.
pub struct Fields(Object);

impl Fields {
    /// The members of `value`.
    ///
    /// # Errors
    /// [`BadJson`] when it is not an object.
    pub fn of(value: &Value) -> Result<Self, BadJson> {
        match value {
            Value::Object(object) => Ok(Self(object.clone())),
            other => Err(BadJson::new(
                "",
                format!("an object belongs here, not {}", other.type_name()),
            )),
        }
    }

    /// Takes a member that may be missing.
    pub fn opt(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a member.
    ///
    /// # Errors
    /// [`BadJson`] when it is missing.
    pub fn need(&mut self, name: &str) -> Result<Value, BadJson> {
        self.0
            .remove(name)
            .ok_or_else(|| BadJson::new(name, "is missing"))
    }

    /// Takes a text.
    ///
    /// # Errors
    /// [`BadJson`] when it is missing or not a text.
    pub fn text(&mut self, name: &str) -> Result<String, BadJson> {
        match self.need(name)? {
            Value::String(text) => Ok(text),
            other => Err(BadJson::new(
                name,
                format!("a text belongs here, not {}", other.type_name()),
            )),
        }
    }

    /// Takes a text that `T` can be read from.
    ///
    /// # Errors
    /// [`BadJson`] with `T`'s own sentence.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<T, BadJson> {
        self.text(name)?
            .parse()
            .map_err(|error| BadJson::new(name, error))
    }

    /// Takes a text that may be missing and that `T` can be read from.
    ///
    /// # Errors
    /// [`BadJson`] with `T`'s own sentence.
    pub fn opt_parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, BadJson> {
        match self.opt(name) {
            None => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|error| BadJson::new(name, error)),
            Some(other) => Err(BadJson::new(
                name,
                format!("a text belongs here, not {}", other.type_name()),
            )),
        }
    }

    /// Takes one of the words that `parse` knows.
    ///
    /// # Errors
    /// [`BadJson`] when it is another word.
    pub fn word<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, BadJson> {
        let text = self.text(name)?;
        parse(&text).ok_or_else(|| BadJson::new(name, format!("`{text}` is not a word known here")))
    }

    /// Takes an integer.
    ///
    /// # Errors
    /// [`BadJson`] when it is missing or not an integer of at most 53 bits.
    pub fn int(&mut self, name: &str) -> Result<i64, BadJson> {
        self.need(name)?
            .as_i64()
            .ok_or_else(|| BadJson::new(name, "an integer belongs here"))
    }

    /// Takes an integer that is not negative.
    ///
    /// # Errors
    /// [`BadJson`] when it is missing, negative or not an integer of at most 53 bits.
    pub fn count(&mut self, name: &str) -> Result<u64, BadJson> {
        u64::try_from(self.int(name)?).map_err(|_| BadJson::new(name, "a number from 0 on belongs here"))
    }

    /// Takes a boolean.
    ///
    /// # Errors
    /// [`BadJson`] when it is missing or not a boolean.
    pub fn flag(&mut self, name: &str) -> Result<bool, BadJson> {
        self.need(name)?
            .as_bool()
            .ok_or_else(|| BadJson::new(name, "true or false belongs here"))
    }

    /// Takes an array.
    ///
    /// # Errors
    /// [`BadJson`] when it is missing or not an array.
    pub fn list(&mut self, name: &str) -> Result<Vec<Value>, BadJson> {
        match self.need(name)? {
            Value::Array(items) => Ok(items),
            other => Err(BadJson::new(
                name,
                format!("a list belongs here, not {}", other.type_name()),
            )),
        }
    }

    /// Takes a list of texts that `T` can be read from.
    ///
    /// # Errors
    /// [`BadJson`] names the first bad item.
    pub fn parsed_list<T, C>(&mut self, name: &str) -> Result<C, BadJson>
    where
        T: FromStr<Err: Display>,
        C: FromIterator<T>,
    {
        texts(&Value::Array(self.list(name)?)).map_err(|error| error.within(name))
    }

    /// Refuses what was not taken.
    ///
    /// # Errors
    /// [`BadJson`] names the first member that does not belong here.
    pub fn end(self) -> Result<(), BadJson> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(BadJson::new(name, "does not belong here")),
        }
    }
}

/// A list of texts that `T` can be read from.
///
/// # Errors
/// [`BadJson`] names the first bad item.
pub fn texts<T, C>(value: &Value) -> Result<C, BadJson>
where
    T: FromStr<Err: Display>,
    C: FromIterator<T>,
{
    let items = value
        .as_array()
        .ok_or_else(|| BadJson::new("", "a list belongs here"))?;
    items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            let text = item
                .as_str()
                .ok_or_else(|| BadJson::new(at.to_string(), "a text belongs here"))?;
            text.parse().map_err(|error| BadJson::new(at.to_string(), error))
        })
        .collect()
}

/// The texts of `items` as a list.
pub fn text_list<T: Display>(items: impl IntoIterator<Item = T>) -> Value {
    items.into_iter().map(|item| item.to_string()).collect()
}
