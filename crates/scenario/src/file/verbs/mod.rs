//! The shapes of steps, one per verb; the first member of each is its verb.

mod acts;
mod asks;
mod looks;

use serde::Deserialize;

pub(crate) use acts::*;
pub(crate) use asks::*;
pub(crate) use looks::*;

/// Strict shapes, each with its schema in tests.
macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, serde::Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }
    )*};
}

use shapes;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(rename_all = "lowercase")]
        pub(crate) enum $name {
            $($(#[$word_doc])* $word,)*
        }
    )*};
}

words! {
    /// What can be listed.
    ListKind {
        /// `tools/list`.
        Tools,
        /// `resources/list`.
        Resources,
        /// `prompts/list`.
        Prompts,
    }

    /// How a task ends.
    Outcome {
        /// It reached what it was for.
        Completed,
        /// It was given up.
        Cancelled,
    }

    /// What happens to the engine.
    EngineAct {
        /// Ends it without any warning.
        Kill,
        /// Lets it end.
        Stop,
        /// Starts it on the same data.
        Start,
    }

    /// What is verified.
    Ledger {
        /// The ledger.
        Ledger,
    }
}
