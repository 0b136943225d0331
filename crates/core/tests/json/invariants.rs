//! What must hold for any bytes at all; the fuzz target checks the same.

use remit_core::json::{Bounds, Numbers, parse};

/// Panics when the parser or the canonical form breaks a promise on `bytes`.
pub fn check(bytes: &[u8]) {
    let request = parse(bytes, &Bounds::REQUEST);
    let response = parse(bytes, &Bounds::RESPONSE);
    for (parsed, bounds) in [(&request, &Bounds::REQUEST), (&response, &Bounds::RESPONSE)] {
        match parsed {
            Ok(value) => {
                let canonical = value.to_canonical();
                let again = parse(&canonical, bounds).expect("canonical bytes parse");
                assert_eq!(&again, value, "canonical bytes carry the value");
                assert_eq!(again.to_canonical(), canonical, "canonical bytes stay put");
                assert_eq!(value.to_string().as_bytes(), canonical, "one canonical text");
            }
            Err(error) => assert!(error.offset <= bytes.len(), "{error} lies inside the document"),
        }
    }
    // Requests are the stricter of the two, and for nothing but numbers, NUL and bounds.
    match (&request, &response) {
        (Ok(_), Err(error)) => panic!("a response refuses what a request takes: {error}"),
        (Ok(strict), Ok(relayed)) => {
            let canonical = relayed.to_canonical();
            let exact = Bounds {
                numbers: Numbers::Exact,
                ..Bounds::RESPONSE
            };
            assert_eq!(
                parse(&canonical, &exact).as_ref(),
                Ok(strict),
                "both readings agree"
            );
        }
        (Err(_), _) => {}
    }
}
