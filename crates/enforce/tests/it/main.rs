//! What a permit stands on: nothing else compiles, and the mint refuses what does not fit together.

mod compile_fail;
mod mint;
mod world;
