//! Rotation with overlap: a key is published before it signs and stays published until nothing it signed can still be
//! alive. Where each generation stands follows from when it was made; nothing else needs to be remembered.

use remit_core::time::Timestamp;

/// How long keys live, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// How long one key signs.
    pub signs_ms: i64,
    /// How long before that it is published.
    pub ahead_ms: i64,
    /// How long after that it stays published: at least the longest life of what it signed.
    pub after_ms: i64,
}

/// Where a generation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Published, does not sign yet.
    Next,
    /// Signs.
    Current,
    /// Published, signs no more.
    Previous,
    /// Gone: may be deleted.
    Gone,
}

/// One key and when it was made.
#[derive(Clone, Debug)]
pub struct Generation<K> {
    /// When it was made.
    pub made_at: Timestamp,
    /// The key.
    pub key: K,
}

/// The generations of one purpose, oldest first.
#[derive(Clone, Debug)]
pub struct Ring<K> {
    lives: Lives,
    generations: Vec<Generation<K>>,
}

impl<K> Ring<K> {
    /// The ring of these generations.
    #[must_use]
    pub fn new(lives: Lives, mut generations: Vec<Generation<K>>) -> Self {
        generations.sort_by_key(|generation| generation.made_at);
        Self { lives, generations }
    }

    /// All generations, oldest first.
    #[must_use]
    pub fn generations(&self) -> &[Generation<K>] {
        &self.generations
    }

    /// When generation `at` begins to sign: the first at once, the others once they were published long enough.
    fn signs_from(&self, at: usize) -> Option<Timestamp> {
        let made_at = self.generations.get(at)?.made_at;
        Some(if at == 0 {
            made_at
        } else {
            made_at.plus_ms(self.lives.ahead_ms)
        })
    }

    /// Where generation `at` stands.
    #[must_use]
    pub fn phase(&self, at: usize, now: Timestamp) -> Phase {
        let Some(from) = self.signs_from(at) else {
            return Phase::Gone;
        };
        match self.signs_from(at + 1) {
            Some(until) if now >= until.plus_ms(self.lives.after_ms) => Phase::Gone,
            Some(until) if now >= until => Phase::Previous,
            // The oldest signs whatever the clock says: a clock that was set back must not leave us without a key.
            _ if at == 0 || now >= from => Phase::Current,
            _ => Phase::Next,
        }
    }

    /// The generation that signs.
    #[must_use]
    pub fn current(&self, now: Timestamp) -> Option<&Generation<K>> {
        self.in_phase(now, |phase| phase == Phase::Current).next_back()
    }

    /// The generations to publish.
    pub fn published(&self, now: Timestamp) -> impl Iterator<Item = &Generation<K>> {
        self.in_phase(now, |phase| phase != Phase::Gone)
    }

    /// The generations that may be deleted.
    pub fn gone(&self, now: Timestamp) -> impl Iterator<Item = &Generation<K>> {
        self.in_phase(now, |phase| phase == Phase::Gone)
    }

    fn in_phase(
        &self,
        now: Timestamp,
        want: impl Fn(Phase) -> bool,
    ) -> impl DoubleEndedIterator<Item = &Generation<K>> {
        self.generations
            .iter()
            .enumerate()
            .filter(move |(at, _)| want(self.phase(*at, now)))
            .map(|(_, generation)| generation)
    }

    /// True when another generation must be made now, so that it is published long enough before it signs.
    #[must_use]
    pub fn wants_next(&self, now: Timestamp) -> bool {
        let Some(last) = self.generations.len().checked_sub(1) else {
            return true;
        };
        let from = self.signs_from(last).unwrap_or(now);
        now >= from.plus_ms(self.lives.signs_ms - self.lives.ahead_ms)
    }

    /// When [`Self::wants_next`] or a phase changes next, so that nobody has to look more often.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Timestamp {
        let mut moments = Vec::new();
        for at in 0..self.generations.len() {
            if let Some(from) = self.signs_from(at) {
                moments.extend([from, from.plus_ms(self.lives.signs_ms - self.lives.ahead_ms)]);
                if at > 0 {
                    moments.push(from.plus_ms(self.lives.after_ms));
                }
            }
        }
        moments
            .into_iter()
            .filter(|moment| *moment > now)
            .min()
            .unwrap_or_else(|| now.plus_ms(self.lives.ahead_ms.max(1)))
    }

    /// Adds a generation.
    pub fn push(&mut self, generation: Generation<K>) {
        self.generations.push(generation);
        self.generations.sort_by_key(|generation| generation.made_at);
    }

    /// Takes out what is gone.
    pub fn prune(&mut self, now: Timestamp) -> Vec<Generation<K>> {
        let gone: Vec<Timestamp> = self.gone(now).map(|generation| generation.made_at).collect();
        let (gone, kept) = std::mem::take(&mut self.generations)
            .into_iter()
            .partition(|generation| gone.contains(&generation.made_at));
        self.generations = kept;
        gone
    }
}
