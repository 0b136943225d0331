//! SPIFFE IDs: one spelling, or none.

use proptest::prelude::*;
use remit_core::entropy::SeededEntropy;
use remit_core::id::RunId;
use remit_core::time::Timestamp;
use remit_identity::{SpiffeId, TrustDomain};

#[test]
fn good_ones_are_taken_apart() {
    let id: SpiffeId = "spiffe://acme.example/agent/claude-code/run/x_1".parse().unwrap();
    assert_eq!(id.trust_domain().as_str(), "acme.example");
    assert_eq!(id.path(), "/agent/claude-code/run/x_1");
    assert_eq!(id.segments().count(), 4);
    let root: SpiffeId = "spiffe://acme.example".parse().unwrap();
    assert_eq!(root.path(), "");
    assert_eq!(root.segments().count(), 0);
}

#[test]
fn odd_ones_are_refused() {
    let long = format!("spiffe://acme/{}", "a".repeat(2048));
    let long_domain = format!("spiffe://{}/a", "a".repeat(256));
    for bad in [
        "",
        "acme/agent",
        "SPIFFE://acme/agent",
        "spiffe:/acme/agent",
        "https://acme/agent",
        "wimse://acme/agent",
        "spiffe://",
        "spiffe:///agent",
        "spiffe://Acme/agent",
        "spiffe://acme:8443/agent",
        "spiffe://user@acme/agent",
        "spiffe://acme./agent",
        "spiffe://.acme/agent",
        "spiffe://acm\u{e9}/agent",
        "spiffe://acme/",
        "spiffe://acme/agent/",
        "spiffe://acme//agent",
        "spiffe://acme/./agent",
        "spiffe://acme/agent/..",
        "spiffe://acme/%61gent",
        "spiffe://acme/agent?x=1",
        "spiffe://acme/agent#x",
        "spiffe://acme/ag ent",
        "spiffe://acme/agent\0",
        "spiffe://acme/agent\n",
        "spiffe://acme/agent\u{202e}",
        "spiffe://acme/agent\\x",
        "spiffe://acme/a@b",
        " spiffe://acme/agent",
        &long,
        &long_domain,
    ] {
        let refused = bad.parse::<SpiffeId>().unwrap_err();
        assert!(refused.text.len() < 1000, "{bad}");
    }
}

#[test]
fn a_run_is_found_again_in_its_identity() {
    let domain: TrustDomain = "remit.local".parse().unwrap();
    let run = RunId::fresh(Timestamp(1), &SeededEntropy::new(1)).unwrap();
    let agent = "invoice-bot".parse().unwrap();
    let id = SpiffeId::of_run(&domain, &agent, run).unwrap();
    assert_eq!(id.as_run(), Some((agent, run)));
    assert_eq!(
        "spiffe://remit.local/agent/x"
            .parse::<SpiffeId>()
            .unwrap()
            .as_run(),
        None
    );
    // A name that is fine for people, but no segment of a path.
    assert!(SpiffeId::of_run(&domain, &"x@y".parse().unwrap(), run).is_err());
}

proptest! {
    /// Whatever is taken is its own only spelling, and taking it apart and putting it together changes nothing.
    #[test]
    fn what_is_taken_is_canonical(text in "(spiffe|SPIFFE|spiff)://[a-zA-Z0-9.:@_-]{0,12}(/[a-zA-Z0-9.%_~-]{0,6}){0,4}") {
        if let Ok(id) = text.parse::<SpiffeId>() {
            prop_assert_eq!(id.as_str(), text.as_str());
            let again = format!("{}{}", id.trust_domain().id(), id.path());
            prop_assert_eq!(again.as_str(), id.as_str());
            prop_assert!(!text.contains('%') && !text.contains("//a//") && !text.ends_with('/'));
            prop_assert!(id.is_under(&id));
        }
    }

    /// Below means below in whole segments.
    #[test]
    fn under_is_a_matter_of_segments(root in "[a-c]{1,2}(/[a-c]{1,2}){0,2}", id in "[a-c]{1,2}(/[a-c]{1,2}){0,3}") {
        let root_id: SpiffeId = format!("spiffe://d/{root}").parse().unwrap();
        let leaf: SpiffeId = format!("spiffe://d/{id}").parse().unwrap();
        let (root, id): (Vec<&str>, Vec<&str>) = (root.split('/').collect(), id.split('/').collect());
        prop_assert_eq!(leaf.is_under(&root_id), id.starts_with(&root));
    }
}
