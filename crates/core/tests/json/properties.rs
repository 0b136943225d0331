//! What holds for every value and every way to write it.

use super::invariants::check;
use super::strategies::{number, text, value, write_freely};
use proptest::prelude::*;
use remit_core::json::{Bounds, Object, Value, parse, utf16_order};

proptest! {
    #[test]
    fn canonical_bytes_carry_the_value(value in value()) {
        let canonical = value.to_canonical();
        prop_assert_eq!(&parse(&canonical, &Bounds::REQUEST), &Ok(value.clone()));
        prop_assert_eq!(&parse(&canonical, &Bounds::RESPONSE), &Ok(value));
        check(&canonical);
    }

    #[test]
    fn every_way_to_write_a_value_has_the_same_canonical_bytes(value in value(), seed in any::<Vec<u8>>()) {
        let mut seed = seed.into_iter().cycle();
        let mut choices = |end: usize| seed.next().map_or(0, usize::from) % end;
        let written = write_freely(&value, &mut choices);
        let parsed = parse(written.as_bytes(), &Bounds::REQUEST);
        prop_assert_eq!(parsed.map(|parsed| parsed.to_canonical()), Ok(value.to_canonical()));
    }

    #[test]
    fn equal_bytes_mean_equal_values(a in value(), b in value()) {
        prop_assert_eq!(a == b, a.to_canonical() == b.to_canonical());
    }

    #[test]
    fn the_order_of_insertion_does_not_matter(members in prop::collection::btree_map(text(), number(), 0..20)) {
        let forwards: Object = members.clone().into_iter().collect();
        let mut backwards = Object::new();
        for (key, number) in members.iter().rev() {
            backwards.insert(key.as_str(), number.clone());
        }
        prop_assert_eq!(&forwards, &backwards);
        prop_assert!(forwards.keys().is_sorted_by(|a, b| utf16_order(a, b).is_lt()));
        for (key, number) in &members {
            prop_assert_eq!(forwards.get(key), Some(&Value::from(number.clone())));
        }
    }

    #[test]
    fn a_repeated_key_is_refused_wherever_it_stands(
        members in prop::collection::btree_map("[a-z]{1,3}", any::<i32>(), 1..40),
        shuffle in any::<u64>(),
        repeat in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
    ) {
        let mut keys: Vec<&String> = members.keys().collect();
        keys.sort_by_key(|key| key.bytes().fold(shuffle, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)));
        let repeated = keys[repeat.index(keys.len())];
        keys.insert(place.index(keys.len() + 1), repeated);
        let written: Vec<String> = keys.iter().map(|key| format!("\"{key}\":0")).collect();
        let document = format!("{{{}}}", written.join(","));
        let error = parse(document.as_bytes(), &Bounds::REQUEST).expect_err("repeated");
        prop_assert_eq!(error.kind.name(), "duplicate_key");
        let second = document.rfind(&format!("\"{repeated}\":"));
        prop_assert_eq!(Some(error.offset), second);
    }

    #[test]
    fn any_bytes_keep_the_promises(bytes in any::<Vec<u8>>()) {
        check(&bytes);
    }

    #[test]
    fn any_json_like_text_keeps_the_promises(text in "[\\[\\]{}:,\"\\\\ 0-9eE.+\\-ua-ftrnl]{0,40}") {
        check(text.as_bytes());
    }

    #[test]
    fn any_decimal_is_taken_as_it_is_or_refused(text in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?") {
        check(text.as_bytes());
        prop_assert_eq!(parse(text.as_bytes(), &Bounds::RESPONSE).expect("grammar").to_string(), text);
    }
}
