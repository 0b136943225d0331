//! What was really applied, as the launcher attests it just before it becomes the command.

use serde::{Deserialize, Serialize};

/// The confinement of one child: facts, not wishes. `Default` is no confinement at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confinement {
    /// Process id of the launcher, which is that of the command.
    pub pid: u32,
    /// Landlock ABI in force; `None` when no Landlock domain was entered.
    pub landlock_abi: Option<u8>,
    /// Every denied tree that exists is covered by an empty mount the child cannot lift.
    pub hidden: bool,
    /// The user id the child was given for itself.
    pub own_uid: Option<u32>,
    /// The child has a network namespace of its own, with nothing in it but, where it was asked for, its way out.
    pub netns: bool,
    /// The listener by which the child reaches its supervisor, and nothing else, was handed over.
    pub way_out: bool,
    /// The child lives in a user namespace of its own.
    pub userns: bool,
    /// The child and its descendants cannot gain privileges by executing files, for good.
    pub no_new_privs: bool,
    /// Signals and abstract sockets stay inside the child's Landlock domain (ABI 6).
    pub scoped: bool,
    /// What was asked and could not be applied, and what the way taken costs: one sentence each.
    pub gaps: Vec<String>,
}

impl Confinement {
    /// The one word for cards, records and policy: `none`, `landlock`, `own-uid` or `netns`, the strongest that is true.
    ///
    /// Hiding alone, without Landlock or an own user, counts as `none`: such a child can still signal us. A network
    /// namespace counts only on top of one of the two.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (self.own_uid.is_some(), self.landlock_abi.is_some(), self.netns) {
            (true, _, true) | (_, true, true) => "netns",
            (true, _, false) => "own-uid",
            (false, true, false) => "landlock",
            (false, false, _) => "none",
        }
    }

    pub(crate) fn to_line(&self) -> String {
        // A struct of numbers and strings cannot fail to serialise; an empty line reads as "not attested".
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_the_strongest_truth() {
        let with = |uid: Option<u32>, abi: Option<u8>, netns: bool| Confinement {
            own_uid: uid,
            landlock_abi: abi,
            netns,
            hidden: true,
            ..Confinement::default()
        };
        assert_eq!(Confinement::default().word(), "none");
        assert_eq!(with(None, None, true).word(), "none");
        assert_eq!(with(None, Some(1), false).word(), "landlock");
        assert_eq!(with(Some(5), Some(7), false).word(), "own-uid");
        assert_eq!(with(Some(5), None, false).word(), "own-uid");
        assert_eq!(with(None, Some(7), true).word(), "netns");
        assert_eq!(with(Some(5), None, true).word(), "netns");
    }
}
