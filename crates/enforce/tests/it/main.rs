//! What a permit stands on: nothing else compiles, and the mint refuses what does not fit together.

#[cfg(test)]
mod compile_fail;
#[cfg(test)]
mod mint;
#[cfg(test)]
mod world;
