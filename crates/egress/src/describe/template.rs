//! Path templates: `/repos/{owner}/{repo}`, `/projects/{project%}` (may hold `%2F`), `/{bucket}/{key...}` (the rest).

use std::collections::BTreeMap;

use crate::target::Target;

/// A path with named pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    /// As written.
    pub text: String,
    pieces: Vec<Piece>,
}

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// This text.
    Literal(String),
    /// One segment without `/`.
    One(String),
    /// One segment that may hold an encoded `/`.
    Slashed(String),
    /// One or more segments to the end.
    Rest(String),
}

impl PathTemplate {
    /// Reads a template; it starts with `/`.
    ///
    /// # Errors
    /// A sentence with what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("the path `{text}` {why}");
        let path = text
            .strip_prefix('/')
            .ok_or_else(|| bad("does not start with `/`"))?;
        let mut pieces = Vec::new();
        let mut names = std::collections::BTreeSet::new();
        for segment in path.split('/').filter(|_| !path.is_empty()) {
            let piece = match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                None if segment.is_empty() || segment.contains(['{', '}']) => {
                    return Err(bad("has an empty segment, or a name in the middle of one"));
                }
                None => Piece::Literal(segment.to_owned()),
                Some(name) => {
                    let (name, piece): (_, fn(String) -> Piece) =
                        match (name.strip_suffix("..."), name.strip_suffix('%')) {
                            (Some(name), _) => (name, Piece::Rest),
                            (None, Some(name)) => (name, Piece::Slashed),
                            (None, None) => (name, Piece::One),
                        };
                    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                    if name.is_empty() || !letters || !names.insert(name.to_owned()) {
                        return Err(bad(
                            "has a name that is empty, repeated or not of `A-Z a-z 0-9 _`",
                        ));
                    }
                    piece(name.to_owned())
                }
            };
            if matches!(pieces.last(), Some(Piece::Rest(_))) {
                return Err(bad("goes on behind `...`"));
            }
            pieces.push(piece);
        }
        Ok(Self {
            text: text.to_owned(),
            pieces,
        })
    }

    /// The pieces.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Names of the pieces that have one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::One(name) | Piece::Slashed(name) | Piece::Rest(name) => Some(name.as_str()),
        })
    }

    /// How specific it is: literal segments count most.
    #[must_use]
    pub fn weight(&self) -> usize {
        let of = |piece: &Piece| match piece {
            Piece::Literal(_) => 100,
            Piece::One(_) => 10,
            Piece::Slashed(_) => 9,
            Piece::Rest(_) => 1,
        };
        self.pieces.iter().map(of).sum()
    }

    /// The named pieces of a path that fits.
    #[must_use]
    pub fn matches(&self, target: &Target) -> Option<BTreeMap<String, String>> {
        self.matches_segments(target.segments())
    }

    /// The same for bare segments.
    #[must_use]
    pub fn matches_segments(&self, segments: &[String]) -> Option<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        let mut rest = segments;
        for piece in &self.pieces {
            if let Piece::Rest(name) = piece {
                if rest.is_empty() || rest.iter().any(|segment| segment.contains('/')) {
                    return None;
                }
                found.insert(name.clone(), rest.join("/"));
                return Some(found);
            }
            let (first, others) = rest.split_first()?;
            match piece {
                Piece::Literal(text) if text == first => {}
                Piece::One(name) if !first.contains('/') => {
                    found.insert(name.clone(), first.clone());
                }
                Piece::Slashed(name) => {
                    found.insert(name.clone(), first.clone());
                }
                _ => return None,
            }
            rest = others;
        }
        rest.is_empty().then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(template: &str, path: &str) -> Option<String> {
        let found = PathTemplate::parse(template)
            .unwrap()
            .matches(&Target::parse(path).unwrap())?;
        Some(
            found
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" "),
        )
    }

    #[test]
    fn whole_segments() {
        assert_eq!(
            fits("/repos/{owner}/{repo}", "/repos/a/b").unwrap(),
            "owner=a repo=b"
        );
        assert_eq!(fits("/repos/{owner}/{repo}", "/repos/a/b/c"), None);
        assert_eq!(fits("/repos/{owner}", "/repos/a%2Fb"), None);
        assert_eq!(fits("/projects/{id%}", "/projects/a%2Fb").unwrap(), "id=a/b");
        assert_eq!(fits("/{bucket}/{key...}", "/b/c/d").unwrap(), "bucket=b key=c/d");
        assert_eq!(fits("/{bucket}/{key...}", "/b"), None);
        assert_eq!(fits("/{key...}", "/a%2Fb"), None);
        assert_eq!(fits("/", "/").unwrap(), "");
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "a",
            "/{",
            "/a{b}",
            "/{a}/{a}",
            "/{a...}/b",
            "/{}",
            "/a//b",
            "/{a-b}",
        ] {
            assert!(PathTemplate::parse(bad).is_err(), "{bad}");
        }
    }
}
