//! Scopes (RFC 6749, section 3.3): which to ask for, and how they add up.

use std::collections::BTreeSet;
use std::fmt;

/// Most scopes asked for at once.
const SCOPES_MAX: usize = 64;

/// A set of scopes; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Reads a list separated by spaces; `None` when it is empty, too long, or holds what is no scope.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::of(text.split(' ').filter(|part| !part.is_empty()))
    }

    /// Of single ones.
    #[must_use]
    pub fn of<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let all: BTreeSet<String> = scopes.into_iter().map(str::to_owned).collect();
        let good = |scope: &String| {
            !scope.is_empty()
                && scope.len() <= 256
                && scope
                    .bytes()
                    .all(|b| (0x21..=0x7e).contains(&b) && b != b'"' && b != b'\\')
        };
        (!all.is_empty() && all.len() <= SCOPES_MAX && all.iter().all(good)).then_some(Self(all))
    }

    /// True when all of `other` are among these.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        self.0.is_superset(&other.0)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, scope) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

/// Which scopes to ask for first: those configured; else those the challenge names; else those the resource lists; else
/// none, which leaves it to the server. `offline_access` comes on top where the authorization server lists it, so that a
/// person need not sign in again every hour (SEP-2207).
#[must_use]
pub fn select(
    configured: Option<&Scopes>,
    challenged: Option<&Scopes>,
    resource: Option<&Scopes>,
    server: Option<&Scopes>,
) -> Option<Scopes> {
    let mut chosen = configured.or(challenged).or(resource)?.clone();
    if configured.is_none() && server.is_some_and(|server| server.0.contains("offline_access")) {
        chosen.0.insert("offline_access".to_owned());
    }
    Some(chosen)
}

/// What to ask for after a step-up challenge: what was there and what is wanted (SEP-2350). `None` when that is nothing
/// new: asking again would go round in a circle.
#[must_use]
pub fn step_up(held: Option<&Scopes>, challenged: &Scopes) -> Option<Scopes> {
    match held {
        Some(held) if held.contains_all(challenged) => None,
        Some(held) => Some(Scopes(held.0.union(&challenged.0).cloned().collect())),
        None => Some(challenged.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Scopes {
        Scopes::parse(text).unwrap()
    }

    #[test]
    fn selection_follows_the_order_of_the_specification() {
        let (challenge, resource, server) = (of("c"), of("r1 r2"), of("offline_access x"));
        let text = |s: Option<Scopes>| s.map(|s| s.to_string());
        assert_eq!(
            text(select(None, Some(&challenge), Some(&resource), None)).unwrap(),
            "c"
        );
        assert_eq!(
            text(select(None, None, Some(&resource), Some(&server))).unwrap(),
            "offline_access r1 r2"
        );
        assert_eq!(
            text(select(Some(&of("mine")), Some(&challenge), None, Some(&server))).unwrap(),
            "mine"
        );
        assert_eq!(select(None, None, None, Some(&server)), None);
    }

    #[test]
    fn a_step_up_adds_and_ends() {
        assert_eq!(step_up(Some(&of("a")), &of("b")).unwrap().to_string(), "a b");
        assert_eq!(step_up(Some(&of("a b")), &of("b")), None);
        assert_eq!(step_up(None, &of("b")).unwrap().to_string(), "b");
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for bad in ["", "  ", "a\"b", "a\\b", "a\nb", "ä"] {
            assert_eq!(Scopes::parse(bad), None, "{bad}");
        }
    }
}
