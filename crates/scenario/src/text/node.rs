//! YAML 1.2 as a tree that remembers where everything stands.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::Problem;

/// Deepest nesting of a scenario file.
const DEPTH_MAX: usize = 64;
/// Most values in a scenario file, aliases counted as often as they are used.
const NODES_MAX: usize = 200_000;

/// One value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A key of a map and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub text: String,
    pub line: usize,
    pub column: usize,
}

/// Reads one YAML document.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn read(text: &str) -> Result<Node, Problem> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        nodes: 0,
    };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (Event::StreamEnd | Event::DocumentEnd, _) => {
                return Err(Problem::at(
                    1,
                    "the file is empty; start with `scenario: <title>`",
                ));
            }
            (event, span) => {
                let node = reader.node(event, span, 0)?;
                return match reader.next()? {
                    (Event::DocumentEnd, _) => reader.nothing_more(node),
                    (_, span) => Err(Problem::at(
                        span.start.line(),
                        "the file ends before this; remove what follows",
                    )),
                };
            }
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Problem {
                line: error.marker().line(),
                column: error.marker().col() + 1,
                sentence: format!("this is not YAML: {}", error.info()),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn nothing_more(&mut self, node: Node) -> Result<Node, Problem> {
        match self.next()? {
            (Event::StreamEnd, _) => Ok(node),
            (_, span) => Err(Problem::at(
                span.start.line(),
                "a scenario file holds one document; put the next one into a file of its own",
            )),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Problem> {
        let (line, column) = (span.start.line(), span.start.col() + 1);
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return Err(Problem::at(line, "the file is nested too deeply or too long"));
        }
        let (kind, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.as_ref(), line)?;
                (scalar(text, style, line)?, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_ref(), line)?;
                (self.list(depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_ref(), line)?;
                (self.map(depth)?, anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(Problem::at(
                        line,
                        "this alias names an anchor that is not finished above it",
                    ));
                };
                self.nodes += count(&node);
                return Ok(Node { line, column, ..node });
            }
            _ => return Err(Problem::at(line, "a value is missing here")),
        };
        let node = Node { line, column, kind };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Kind::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let (line, column) = (span.start.line(), span.start.col() + 1);
            let text = match event {
                Event::MappingEnd => return Ok(Kind::Map(entries)),
                Event::Scalar(text, _, _, None) => text.into_owned(),
                _ => return Err(Problem::at(line, "a key has to be plain text")),
            };
            if let Some((first, _)) = entries.iter().find(|(key, _)| key.text == text) {
                let sentence = format!(
                    "`{text}` is given twice, first in line {}; remove one",
                    first.line
                );
                return Err(Problem {
                    line,
                    column,
                    sentence,
                });
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            entries.push((Key { text, line, column }, value));
        }
    }
}

fn count(node: &Node) -> usize {
    match &node.kind {
        Kind::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Kind::Map(entries) => 1 + entries.iter().map(|(_, value)| count(value)).sum::<usize>(),
        _ => 1,
    }
}

fn refuse_tag(tag: Option<&Cow<'_, Tag>>, line: usize) -> Result<(), Problem> {
    match tag {
        Some(tag) => Err(Problem::at(
            line,
            format!(
                "the tag `{}{}` has no meaning here; remove it",
                tag.handle, tag.suffix
            ),
        )),
        None => Ok(()),
    }
}

/// Plain scalars by the core schema of YAML 1.2 (10.3.2): `yes`, `on` and `0777` are text.
fn scalar(text: Cow<'_, str>, style: ScalarStyle, line: usize) -> Result<Kind, Problem> {
    if style != ScalarStyle::Plain {
        return Ok(Kind::Text(text.into_owned()));
    }
    Ok(match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        plain if !looks_like_a_number(plain) => Kind::Text(text.into_owned()),
        plain => match (plain.parse::<i64>(), plain.parse::<f64>()) {
            (Ok(whole), _) => Kind::Int(whole),
            (_, Ok(number)) if number.is_finite() && (plain.contains(['.', 'e', 'E'])) => Kind::Float(number),
            _ => {
                let sentence =
                    format!("the number `{plain}` cannot be kept exactly; quote it, or send it with `raw`");
                return Err(Problem::at(line, sentence));
            }
        },
    })
}

fn looks_like_a_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    all_digits(whole)
        && !leading_zero
        && (fraction.is_empty() || all_digits(fraction))
        && all_digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Kind {
        let Kind::List(items) = read(&format!("- {text}\n")).unwrap().kind else {
            panic!("not a list");
        };
        items.into_iter().next().unwrap().kind
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        assert_eq!(kind("yes"), Kind::Text("yes".into()));
        assert_eq!(kind("0777"), Kind::Text("0777".into()));
        assert_eq!(kind("2025-07-20"), Kind::Text("2025-07-20".into()));
        assert_eq!(kind("'42'"), Kind::Text("42".into()));
        assert_eq!(kind("42"), Kind::Int(42));
        assert_eq!(kind("-1.5e3"), Kind::Float(-1500.0));
        assert_eq!(kind("~"), Kind::Null);
        assert_eq!(kind("true"), Kind::Bool(true));
    }

    #[test]
    fn places_survive() {
        let Kind::Map(entries) = read("a: 1\nb:\n  - x\n").unwrap().kind else {
            panic!("not a map");
        };
        assert_eq!((entries[1].0.line, entries[1].0.column), (2, 1));
        assert_eq!(entries[1].1.line, 3);
    }

    #[test]
    fn aliases_repeat_and_cannot_explode() {
        let Kind::Map(entries) = read("a: &x {k: 1}\nb: *x\n").unwrap().kind else {
            panic!("not a map");
        };
        assert_eq!(entries[0].1.kind, entries[1].1.kind);
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        assert!(read(&bomb).unwrap_err().sentence.contains("too long"));
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        for (text, line, part) in [
            ("a: 1\na: 2\n", 2, "given twice, first in line 1"),
            ("", 1, "empty"),
            ("a: 1\n---\nb: 2\n", 2, "one document"),
            ("a: [1\nb: 2\n", 2, "not YAML"),
            ("a: !secret x\n", 1, "no meaning"),
            ("a: 1e999\n", 1, "cannot be kept"),
            ("? [a]\n: b\n", 1, "plain text"),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.sentence.contains(part), "{text:?}: {problem}");
            assert_eq!(problem.line, line, "{text:?}: {problem}");
        }
    }
}
