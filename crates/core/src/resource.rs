//! Resources, written `<system>:<path>`: what a call touches, and the roots a task is bounded to.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::limits::{RESOURCE_BYTES_MAX, RESOURCE_SEGMENTS_MAX};
use crate::name::Name;

/// One object of one system: `fs:/srv/repo/a.txt`, `github:acme/web`, `db:app/orders`.
///
/// Equality and ancestry look at the segments only; a leading slash is kept for display. `.`, `..`, empty segments
/// and control characters are refused rather than resolved, so what is matched is what the text says.
#[derive(Clone)]
pub struct Resource {
    system: Name,
    segments: Vec<Box<str>>,
    rooted: bool,
}

/// Text that is not a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadResource {
    /// No `system:` in front, or the system is not a name.
    #[error("`{0}` is not a resource: write `<system>:<path>`, for example `fs:/srv/repo`")]
    System(String),
    /// The path has a part that would have to be resolved or cannot be shown.
    #[error("`{0}` has an empty, `.`, `..` or unprintable segment: write the path fully resolved")]
    Segment(String),
    /// The path is over the bounds.
    #[error("a resource has at most {RESOURCE_BYTES_MAX} bytes and {RESOURCE_SEGMENTS_MAX} segments")]
    TooLong,
}

impl Resource {
    /// A resource of `system` at `path` (segments separated by `/`; empty path = the whole system).
    ///
    /// # Errors
    /// [`BadResource`] when the path holds dot, empty or unprintable segments, or is too long.
    pub fn new(system: Name, path: &str) -> Result<Self, BadResource> {
        if path.len() > RESOURCE_BYTES_MAX {
            return Err(BadResource::TooLong);
        }
        let rooted = path.starts_with('/');
        let trimmed = path.strip_prefix('/').unwrap_or(path);
        let trimmed = trimmed.strip_suffix('/').unwrap_or(trimmed);
        let mut segments = Vec::new();
        if !trimmed.is_empty() {
            for segment in trimmed.split('/') {
                let plain = !segment.is_empty() && segment != "." && segment != "..";
                if !plain || segment.chars().any(unprintable) {
                    return Err(BadResource::Segment(shown(path)));
                }
                segments.push(segment.into());
            }
        }
        if segments.len() > RESOURCE_SEGMENTS_MAX {
            return Err(BadResource::TooLong);
        }
        Ok(Self {
            system,
            segments,
            rooted,
        })
    }

    /// The system this object belongs to.
    #[must_use]
    pub const fn system(&self) -> &Name {
        &self.system
    }

    /// The parts of the path, outermost first.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(AsRef::as_ref)
    }

    /// True when `self` is `other` or one of its ancestors.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.system == other.system && other.segments.starts_with(&self.segments)
    }

    /// This object and all its ancestors, innermost first, ending with the whole system.
    pub fn with_ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        (0..=self.segments.len()).rev().map(|len| Self {
            system: self.system.clone(),
            segments: self.segments.get(..len).unwrap_or_default().to_vec(),
            rooted: self.rooted,
        })
    }
}

fn unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn shown(text: &str) -> String {
    text.chars().take(120).flat_map(char::escape_debug).collect()
}

impl FromStr for Resource {
    type Err = BadResource;

    fn from_str(text: &str) -> Result<Self, BadResource> {
        let (system, path) = text
            .split_once(':')
            .ok_or_else(|| BadResource::System(shown(text)))?;
        let system = system.parse().map_err(|_| BadResource::System(shown(text)))?;
        Self::new(system, path)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}{}",
            self.system,
            if self.rooted { "/" } else { "" },
            self.segments.join("/")
        )
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.system == other.system && self.segments == other.segments
    }
}

impl Eq for Resource {}

impl PartialOrd for Resource {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Resource {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.system, &self.segments).cmp(&(&other.system, &other.segments))
    }
}

impl Hash for Resource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.system.hash(state);
        self.segments.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(text: &str) -> Resource {
        text.parse().unwrap()
    }

    #[test]
    fn ancestry_is_by_whole_segments() {
        assert!(resource("fs:/srv/repo").covers(&resource("fs:/srv/repo/a.txt")));
        assert!(resource("fs:/srv/repo").covers(&resource("fs:/srv/repo")));
        assert!(!resource("fs:/srv/repo").covers(&resource("fs:/srv/repository")));
        assert!(!resource("fs:/srv").covers(&resource("git:/srv/x")));
        assert!(resource("fs:").covers(&resource("fs:/anything")));
        assert_eq!(resource("fs:srv/repo"), resource("fs:/srv/repo/"));
        let chain: Vec<String> = resource("fs:/a/b")
            .with_ancestors()
            .map(|r| r.to_string())
            .collect();
        assert_eq!(chain, ["fs:/a/b", "fs:/a", "fs:/"]);
    }

    #[test]
    fn nothing_is_resolved() {
        for bad in [
            "fs:/a/../b",
            "fs:/a/./b",
            "fs:/a//b",
            "fs",
            ":x",
            "fs:/a\u{202e}b",
            "fs:/a\0",
            "FS:/a",
        ] {
            assert!(bad.parse::<Resource>().is_err(), "{bad}");
        }
    }
}
