//! YAML 1.2 (core schema) as JSON, for OpenAPI documents: bounded, without tags, keys are texts and unique.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use serde_json::{Map, Number, Value};

/// Deepest nesting.
const DEPTH_MAX: usize = 64;
/// Most values, those of aliases counted as often as they are used.
const NODES_MAX: usize = 500_000;

/// Reads one document.
///
/// # Errors
/// A sentence with line and column.
pub fn to_json(text: &str) -> Result<Value, String> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        nodes: 0,
    };
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => return Err("it is empty".to_owned()),
            event => return reader.node(event, span, 0).map(|(value, _)| value),
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// Values by anchor, with how many values each is.
    anchors: BTreeMap<usize, (Value, usize)>,
    nodes: usize,
}

fn at(span: Span, what: &str) -> String {
    format!(
        "{what} (line {}, column {})",
        span.start.line(),
        span.start.col() + 1
    )
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), String> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(format!("{} (line {})", error.info(), error.marker().line())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The value, and how many values it is.
    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<(Value, usize), String> {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return Err(at(span, "it is nested too deeply or too long"));
        }
        let before = self.nodes;
        let (value, anchor) = match event {
            Event::Alias(anchor) => {
                let (value, count) = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or_else(|| at(span, "an alias names nothing above it"))?;
                self.nodes += count;
                return Ok((value, count));
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return Err(at(span, "tags (`!…`) have no meaning here: remove it"));
            }
            Event::Scalar(text, style, anchor, None) => (scalar(&text, style), anchor),
            Event::SequenceStart(anchor, None) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break (Value::Array(items), anchor),
                        (event, span) => items.push(self.node(event, span, depth + 1)?.0),
                    }
                }
            }
            Event::MappingStart(anchor, None) => (Value::Object(self.members(depth)?), anchor),
            _ => return Err(at(span, "a value is missing")),
        };
        let count = self.nodes - before + 1;
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), count));
        }
        Ok((value, count))
    }

    fn members(&mut self, depth: usize) -> Result<Map<String, Value>, String> {
        let mut members = Map::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Ok(members),
                // `200:` is the text 200, as in the same document in JSON.
                (Event::Scalar(text, ..), span) => (text.into_owned(), span),
                (_, span) => return Err(at(span, "a key has to be a text")),
            };
            let (event, span) = self.next()?;
            let (value, _) = self.node(event, span, depth + 1)?;
            if members.insert(key.0.clone(), value).is_some() {
                return Err(at(
                    key.1,
                    &format!("the key `{}` is there twice", crate::refusal::shown(&key.0)),
                ));
            }
        }
    }
}

/// A plain scalar by the core schema (YAML 1.2.2, 10.3.2); a quoted one is a text.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return text.into();
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| text.into(), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    let digits = text.trim_start_matches(['-', '+']);
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'));
    Number::from_f64(text.parse().ok().filter(|_| numeric)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_openapi_documents_use_is_read() {
        let text = "openapi: 3.1.0\ninfo: {title: Pets, version: '1'}\nx: &a [1, -2.5, true, ~, 'no', no]\npaths:\n  /pets:\n    get:\n      responses:\n        200:\n          description: |\n            many\n            lines\ny: *a\n";
        let read = to_json(text).unwrap();
        assert_eq!(read["openapi"], "3.1.0");
        assert_eq!(read["x"], json!([1, -2.5, true, null, "no", "no"]));
        assert_eq!(read["x"], read["y"]);
        assert_eq!(read["info"]["version"], "1");
        assert_eq!(
            read["paths"]["/pets"]["get"]["responses"]["200"]["description"],
            "many\nlines\n"
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_or_never_ends_is_refused() {
        for text in [
            "",
            "a: 1\na: 2",
            "a: !!binary eA==",
            "? [a]\n: 1",
            "a: *b",
            "a: [1",
            &"[".repeat(100),
        ] {
            assert!(to_json(text).is_err(), "{text}");
        }
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..10 {
            let before = format!("*a{}, ", n - 1).repeat(10);
            bomb.push_str(&format!("a{n}: &a{n} [{}]\n", before.trim_end_matches(", ")));
        }
        assert!(to_json(&bomb).unwrap_err().contains("too long"));
    }
}
