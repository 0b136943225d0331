//! A bundle: everything loaded, validated, and ready to decide.

use std::collections::BTreeSet;
use std::sync::Arc;

use remit_core::digest::Digest;
use remit_core::limits::UNSCOPED_POLICIES_WARN;
use remit_core::people::Role;

use crate::catalogue::Catalogue;
use crate::load;
use crate::problem::Problem;
use crate::rule::Rule;
use crate::slice::Index;
use crate::source::Source;

/// All rules of all layers against one catalogue. Immutable: a change of either makes another, swapped in whole.
#[derive(Debug)]
pub struct Bundle {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) rules: Vec<Arc<Rule>>,
    pub(crate) index: Index,
    pub(crate) version: Digest,
    warnings: Vec<Problem>,
}

impl Bundle {
    /// Reads, checks and validates `sources`. `groups` are the approver groups that have at least one human in them.
    ///
    /// # Errors
    /// Every problem found, with file, line and column. Nothing is taken from a set with a problem.
    pub fn load(
        sources: &[Source],
        catalogue: Arc<Catalogue>,
        groups: &BTreeSet<Role>,
    ) -> Result<Self, Vec<Problem>> {
        let rules = load::rules(sources, &catalogue, groups)?;
        let unscoped = rules.iter().filter(|rule| rule.scope.is_open()).count();
        let mut warnings = Vec::new();
        if unscoped > UNSCOPED_POLICIES_WARN {
            warnings.push(
                Problem::whole(
                    "policies",
                    format!("{unscoped} rules have no scope and are evaluated for every call (at most {UNSCOPED_POLICIES_WARN} is advised)"),
                )
                .fix("name an agent, an action or a resource in their scope")
                .warning(),
            );
        }
        let index = Index::new(&rules);
        Ok(Self {
            catalogue,
            index,
            version: version(sources),
            rules,
            warnings,
        })
    }

    /// Digest of every layer, file name and text loaded.
    #[must_use]
    pub const fn version(&self) -> Digest {
        self.version
    }

    /// What is not wrong but should be looked at.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The rules, strictest layer first.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.rules.iter().map(AsRef::as_ref)
    }

    /// The catalogue it was validated against.
    #[must_use]
    pub const fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }
}

fn version(sources: &[Source]) -> Digest {
    let mut preimage = b"remit policy v1\n".to_vec();
    for source in sources {
        for part in [source.layer.as_str(), &source.name, &source.text] {
            preimage.extend_from_slice(&(part.len() as u64).to_be_bytes());
            preimage.extend_from_slice(part.as_bytes());
        }
    }
    Digest::of(&preimage)
}
