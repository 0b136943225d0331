//! Conversations with servers of the tests' own, honest and hostile.
