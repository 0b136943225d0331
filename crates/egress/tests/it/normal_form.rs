//! The normal form of targets, as properties: it is a fixed point, and no accepted target can be read as another path.

use proptest::prelude::*;
use remit_egress::target::{Target, decode};

fn targets() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z0-9]{1,3}",
        Just("/".to_owned()),
        Just(".".to_owned()),
        Just("..".to_owned()),
        Just("%2e".to_owned()),
        Just("%2F".to_owned()),
        Just("%252e".to_owned()),
        Just("%5c".to_owned()),
        Just("%c3%a9".to_owned()),
        Just("%ef%bc%8f".to_owned()),
        Just("?".to_owned()),
        Just("&".to_owned()),
        Just("=".to_owned()),
        Just("+".to_owned()),
        Just("%20".to_owned()),
        Just(";".to_owned()),
        "[%/.?&=+;a-f0-9]{0,4}",
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_form_is_a_fixed_point(raw in targets()) {
        if let Ok(target) = Target::parse(&raw) {
            let again = Target::parse(&target.to_string()).unwrap();
            prop_assert_eq!(&again, &target);
            prop_assert_eq!(again.to_string(), target.to_string());
        }
    }

    /// However often and in whatever order a server decodes and resolves: it ends at the path that was decided.
    #[test]
    fn no_reader_resolves_it_elsewhere(raw in targets()) {
        if let Ok(target) = Target::parse(&raw) {
            let sent = target.path();
            let mut seen = sent.clone();
            for _ in 0..3 {
                let resolved = resolve(&seen);
                prop_assert_eq!(&resolved, &seen, "sent as {}", sent);
                match decode(&seen, false) {
                    Some(next) if next != seen => seen = next,
                    _ => break,
                }
            }
        }
    }
}

/// RFC 3986, section 5.2.4, with backslashes read as slashes and empty segments merged, as lenient servers do.
fn resolve(path: &str) -> String {
    let path = path.replace('\\', "/");
    let mut out: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." | "" => {}
            ".." => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    let end = if path.len() > 1 && path.ends_with('/') {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", out.join("/"))
}
