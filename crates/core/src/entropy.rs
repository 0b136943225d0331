//! Where randomness comes from: injected, so that tests can repeat a run.

use std::sync::Mutex;

/// A source of unpredictable bytes.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `buffer` with random bytes.
    ///
    /// # Errors
    /// When the system cannot give any: the caller must refuse, never continue with fewer.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no randomness; refusing to go on without it")]
pub struct NoEntropy;

/// The operating system's generator.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        aws_lc_rs::rand::fill(buffer).map_err(|_| NoEntropy)
    }
}

/// A repeatable sequence (SHA-256 in counter mode over a seed): for tests and scenarios only.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    counter: Mutex<u64>,
}

impl SeededEntropy {
    /// The sequence of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            counter: Mutex::new(0),
        }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        let mut counter = self.counter.lock().map_err(|_| NoEntropy)?;
        for chunk in buffer.chunks_mut(32) {
            let mut block = self.seed.to_be_bytes().to_vec();
            block.extend_from_slice(&counter.to_be_bytes());
            *counter += 1;
            let digest = crate::digest::Digest::of(&block);
            chunk.copy_from_slice(digest.as_bytes().get(..chunk.len()).unwrap_or_default());
        }
        Ok(())
    }
}
