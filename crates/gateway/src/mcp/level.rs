//! Log levels (RFC 5424), least severe first.

const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// How severe a level is; `None` when there is no such level.
pub(crate) fn severity(level: &str) -> Option<usize> {
    LEVELS.iter().position(|known| *known == level)
}

/// True when a message of `level` passes a client that asked for `asked` and above. A level we do not know passes
/// nobody who asked for one.
pub(crate) fn passes(level: Option<&str>, asked: &str) -> bool {
    let message = level.and_then(severity);
    let threshold = severity(asked);
    message.is_some() && message >= threshold
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_orders_levels() {
        assert!(passes(Some("error"), "warning"));
        assert!(passes(Some("debug"), "debug"));
        assert!(!passes(Some("debug"), "info"));
        assert!(!passes(Some("loud"), "debug"));
        assert!(!passes(None, "debug"));
    }
}
