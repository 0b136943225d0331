//! Environment variables that matter: those that carry credentials, and those that move where a client calls.

/// Variables that carry credentials under names of their own.
const CREDENTIALS: [&str; 8] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SESSION_TOKEN",
    "DATABASE_URL",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "KUBECONFIG",
    "PGPASSWORD",
    "SSH_AUTH_SOCK",
    "VAULT_TOKEN",
];

/// Ends of names that say what is inside.
const ENDS: [&str; 8] = [
    "_TOKEN",
    "_SECRET",
    "_SECRET_KEY",
    "_API_KEY",
    "_ACCESS_KEY",
    "_PASSWORD",
    "_PRIVATE_KEY",
    "_CREDENTIALS",
];

/// Variables that move where clients call.
pub const ROUTES: [&str; 10] = [
    "ANTHROPIC_BASE_URL",
    "OPENAI_BASE_URL",
    "OPENAI_API_BASE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "NODE_OPTIONS",
];

/// True when a variable of this name carries a credential as a rule.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    CREDENTIALS.contains(&name) || ENDS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::is_credential;

    #[test]
    fn the_usual_suspects_are_known() {
        for name in [
            "GITHUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "OPENAI_API_KEY",
            "PGPASSWORD",
        ] {
            assert!(is_credential(name), "{name}");
        }
        for name in ["PATH", "HOME", "TOKENIZERS_PARALLELISM", "EDITOR"] {
            assert!(!is_credential(name), "{name}");
        }
    }
}
