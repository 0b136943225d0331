//! Names made from what the machine calls things.

/// `My Agent.sh` → `my-agent.sh`: what cannot be in a name becomes `-`; `otherwise` when nothing is left of it.
#[must_use]
pub fn name_from(text: &str, otherwise: &str) -> String {
    let mut name = String::new();
    for c in text.to_lowercase().chars().take(40) {
        let c = if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        };
        if !name.is_empty() || c.is_ascii_alphanumeric() {
            name.push(c);
        }
    }
    if name.is_empty() {
        otherwise.to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::name_from;
    use remit_core::name::Name;

    #[test]
    fn any_text_gives_a_name() {
        for (text, name) in [
            ("claude", "claude"),
            ("My Agent.sh", "my-agent.sh"),
            ("__x", "x"),
            ("агент", "agent"),
            ("", "agent"),
            (&"-x".repeat(40), "x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x"),
        ] {
            assert_eq!(name_from(text, "agent"), name);
            assert!(name.parse::<Name>().is_ok(), "{name}");
        }
    }
}
