//! Checkpoints: round trip, and what the format forbids.

use remit_core::entropy::SeededEntropy;

use super::*;
use crate::hash::{empty_root, leaf_hash};
use crate::note::{Ed25519Signer, KeyName};

const ORIGIN: &str = "remit.example/ledger";

fn signer(seed: u64) -> Ed25519Signer {
    Ed25519Signer::generate(KeyName::new(ORIGIN).unwrap(), &SeededEntropy::new(seed)).unwrap()
}

#[test]
fn example_of_the_specification_parses() {
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let checkpoint = Checkpoint::parse(text).unwrap();
    assert_eq!(
        (checkpoint.origin.as_str(), checkpoint.size),
        ("example.com/behind-the-sofa", 20_852_163)
    );
    assert_eq!(checkpoint.text(), text);
}

#[test]
fn signed_checkpoints_round_trip() {
    let key = signer(1);
    let mut checkpoint = Checkpoint::new(ORIGIN, 3, leaf_hash(b"x"));
    checkpoint.extensions.push("epoch 4".to_owned());
    let signed = checkpoint.clone().sign(&key).unwrap();
    let text = signed.to_string();
    let keys = [key.verifier().clone()];
    let read = SignedCheckpoint::verify(text.as_bytes(), ORIGIN, &keys).unwrap();
    assert_eq!(read, signed);
    assert_eq!(read.checkpoint(), &checkpoint);
    assert!(matches!(
        SignedCheckpoint::verify(text.as_bytes(), "other.example", &keys),
        Err(CheckpointError::Origin { .. })
    ));
    assert!(SignedCheckpoint::verify(text.as_bytes(), ORIGIN, &[signer(2).verifier().clone()]).is_err());
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 0x04;
        assert!(
            SignedCheckpoint::verify(&bytes, ORIGIN, &keys).is_err(),
            "byte {at} changed"
        );
    }
}

#[test]
fn malformed_texts_are_refused() {
    let root = empty_root();
    for bad in [
        String::new(),
        "\n".to_owned(),
        format!("o\n1\n{root}"),
        format!("\n1\n{root}\n"),
        "o\n1\n".to_owned(),
        format!("o\n01\n{root}\n"),
        format!("o\n+1\n{root}\n"),
        format!("o\n-1\n{root}\n"),
        format!("o\n1 \n{root}\n"),
        format!("o\n9007199254740992\n{root}\n"),
        format!("o\n99999999999999999999\n{root}\n"),
        format!("o\n1\n{}\n", root.to_string().trim_end_matches('=')),
        format!("o\n1\n{root}\n\n"),
        format!("o\n1\n{root}\n\next\n"),
    ] {
        assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
    }
    assert!(Checkpoint::parse(&format!("o\n0\n{root}\n")).is_ok());
    assert!(Checkpoint::new("two\nlines", 1, root).sign(&signer(1)).is_err());
    assert!(Checkpoint::new("", 1, root).sign(&signer(1)).is_err());
}
