//! Verbs: what may be done with a resource, where a task says more about it than that it may be touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::resource::{BadResource, Resource};
use crate::tool::ToolClass;

/// Something that may be done with a resource: a tool class, or one half of what `write` means for the rows of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Whatever is of this class.
    Class(ToolClass),
    /// Adding rows.
    Insert,
    /// Changing rows that are there.
    Update,
}

impl Verb {
    /// The class a call that does this has.
    #[must_use]
    pub const fn class(self) -> ToolClass {
        match self {
            Self::Class(class) => class,
            Self::Insert | Self::Update => ToolClass::Write,
        }
    }

    /// True when whoever may do `self` may do `other`.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self == other || (self == Self::Class(ToolClass::Write) && other.class() == ToolClass::Write)
    }

    fn meet(self, other: Self) -> Option<Self> {
        if self.includes(other) {
            Some(other)
        } else {
            other.includes(self).then_some(self)
        }
    }
}

impl FromStr for Verb {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "insert" => Ok(Self::Insert),
            "update" => Ok(Self::Update),
            other => other.parse().map(Self::Class).map_err(|_| ()),
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => class.fmt(f),
            Self::Insert => f.write_str("insert"),
            Self::Update => f.write_str("update"),
        }
    }
}

/// What may be done below some resources, at most. Only ever narrows: what no entry speaks of is bounded by the rest of the
/// authority alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowed(pub BTreeMap<Resource, BTreeSet<Verb>>);

impl Narrowed {
    /// True when nothing narrows `resource` so that `verb` is left out. What lies above a narrowed resource counts too: who
    /// touches all of it touches that.
    #[must_use]
    pub fn allows(&self, resource: &Resource, verb: Verb) -> bool {
        self.0
            .iter()
            .filter(|(root, _)| root.covers(resource) || resource.covers(root))
            .all(|(_, verbs)| verbs.iter().any(|held| held.includes(verb)))
    }

    /// Both.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let mut met = self.0.clone();
        for (root, verbs) in &other.0 {
            met.entry(root.clone())
                .and_modify(|mine| {
                    *mine = mine
                        .iter()
                        .flat_map(|a| verbs.iter().filter_map(|b| a.meet(*b)))
                        .collect();
                })
                .or_insert_with(|| verbs.clone());
        }
        Self(met)
    }

    /// The verbs of one entry, as text: `read, insert`; `nothing` when none is left.
    #[must_use]
    pub fn text(verbs: &BTreeSet<Verb>) -> String {
        let texts: Vec<String> = verbs.iter().map(ToString::to_string).collect();
        if texts.is_empty() {
            "nothing".to_owned()
        } else {
            texts.join(", ")
        }
    }
}

/// A root as a task is asked for it: `erp:public/a`, or with its own verbs `erp:public/a#read,insert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The resource.
    pub resource: Resource,
    /// What may be done with it and below, at most; `None`: whatever the task may do.
    pub verbs: Option<BTreeSet<Verb>>,
}

impl FromStr for Root {
    type Err = BadResource;

    fn from_str(text: &str) -> Result<Self, BadResource> {
        // A `#` with anything else behind it belongs to the path.
        if let Some((path, words)) = text.rsplit_once('#')
            && let Ok(verbs) = words.split(',').map(str::parse).collect::<Result<_, ()>>()
        {
            return Ok(Self {
                resource: path.parse()?,
                verbs: Some(verbs),
            });
        }
        Ok(Self {
            resource: text.parse()?,
            verbs: None,
        })
    }
}

/// Roots taken apart: the resources, and what narrows them.
///
/// # Errors
/// A sentence when one lies within another and has verbs that one has not: it could not be told which counts.
pub fn apart(roots: Vec<Root>) -> Result<(Vec<Resource>, Narrowed), String> {
    let mut narrowed = Narrowed::default();
    for root in &roots {
        if let Some(verbs) = &root.verbs {
            narrowed
                .0
                .entry(root.resource.clone())
                .or_default()
                .extend(verbs.iter().copied());
        }
    }
    for root in &roots {
        let others = narrowed.0.iter().filter(|(other, _)| **other != root.resource);
        for (other, held) in others {
            let is_within = other.covers(&root.resource);
            let has_more = root.verbs.as_ref().is_none_or(|verbs| {
                verbs
                    .iter()
                    .any(|verb| !held.iter().any(|held| held.includes(*verb)))
            });
            if is_within && has_more {
                return Err(format!(
                    "`{}` lies within `{other}`, which is for {} only: name resources that do not contain each other",
                    root.resource,
                    Narrowed::text(held)
                ));
            }
        }
        if root.verbs.is_none() && narrowed.0.contains_key(&root.resource) {
            return Err(format!(
                "`{}` is named once with verbs and once without: name it once",
                root.resource
            ));
        }
    }
    Ok((roots.into_iter().map(|root| root.resource).collect(), narrowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(text: &str) -> Root {
        text.parse().unwrap()
    }

    fn narrowed(roots: &[&str]) -> Narrowed {
        apart(roots.iter().map(|text| root(text)).collect()).unwrap().1
    }

    fn may(narrowed: &Narrowed, resource: &str, verb: &str) -> bool {
        narrowed.allows(&resource.parse().unwrap(), verb.parse().unwrap())
    }

    #[test]
    fn a_root_has_its_own_verbs_or_none() {
        assert_eq!(root("erp:public/a#read,insert").verbs.unwrap().len(), 2);
        assert_eq!(root("github:acme/web#12").verbs, None);
        assert_eq!(
            root("github:acme/web#12").resource,
            "github:acme/web#12".parse().unwrap()
        );
        assert!("nothing#read".parse::<Root>().is_err());
        let held = narrowed(&["erp:public/a#read", "erp:public/b#insert"]);
        assert!(may(&held, "erp:public/a", "read") && !may(&held, "erp:public/a", "insert"));
        assert!(may(&held, "erp:public/b", "insert"));
        for verb in ["update", "write", "read", "delete", "privilege"] {
            assert!(!may(&held, "erp:public/b", verb), "{verb}");
        }
        assert!(may(&held, "crm:public/b", "delete"), "nothing speaks of it");
        assert!(!may(&held, "erp:public", "delete"), "who takes all takes those");
        assert!(may(&narrowed(&["erp:public#write"]), "erp:public/a", "update"));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for roots in [
            ["erp:public#read", "erp:public/b#insert"],
            ["erp:public#read", "erp:public/b"],
            ["erp:public/b#read", "erp:public/b"],
        ] {
            let why = apart(roots.iter().map(|text| root(text)).collect()).unwrap_err();
            assert!(why.contains("erp:public"), "{why}");
        }
        narrowed(&["erp:public", "erp:public/b#read"]);
    }

    #[test]
    fn both_is_never_more_than_either() {
        let (a, b) = (
            narrowed(&["erp:public/b#write", "erp:public/c#read"]),
            narrowed(&["erp:public/b#insert,read", "erp:public#write,read"]),
        );
        let met = a.meet(&b);
        for resource in [
            "erp:public",
            "erp:public/a",
            "erp:public/b",
            "erp:public/c",
            "erp:",
        ] {
            for verb in ["read", "write", "insert", "update", "delete"] {
                let both = may(&a, resource, verb) && may(&b, resource, verb);
                assert!(!may(&met, resource, verb) || both, "{resource} {verb}");
            }
        }
        assert!(may(&met, "erp:public/b", "insert") && !may(&met, "erp:public/b", "update"));
    }
}
