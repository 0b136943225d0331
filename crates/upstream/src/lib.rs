//! The only dialler: takes Permitted calls, resolves, sends, caps, scrubs.
