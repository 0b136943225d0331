//! The guide for rule writers names every fact there is.

use remit_policy::{context_fields, principal_attributes};

#[test]
fn every_fact_is_in_the_guide() {
    let guide = include_str!("../../../../docs/policy.md");
    for (name, _, meaning) in context_fields() {
        assert!(
            guide.contains(&format!("`{name}`")) || guide.contains(&format!("`{name}.")),
            "{name}: {meaning}"
        );
    }
    for (path, _, meaning) in principal_attributes() {
        let name = path.rsplit('.').next().unwrap();
        let named = ["`", "`.", "`principal."]
            .iter()
            .any(|before| guide.contains(&format!("{before}{name}`")));
        assert!(named, "{path}: {meaning}");
    }
}
