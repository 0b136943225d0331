//! Facts to Cedar to verdict: bundles, validation, slices, explanation.
