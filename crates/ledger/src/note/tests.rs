//! Signed notes against the published vector, and against everything the format forbids.

use remit_core::entropy::SeededEntropy;

use super::*;

/// The vector of the Go checksum database's note package.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\
    \n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn signer(name: &str, seed: u64) -> Ed25519Signer {
    Ed25519Signer::generate(KeyName::new(name).unwrap(), &SeededEntropy::new(seed)).unwrap()
}

#[test]
fn published_vector_verifies() {
    let key = VerifierKey::parse(KEY).unwrap();
    assert_eq!(key.to_string(), KEY);
    let note = Note::parse(NOTE.as_bytes()).unwrap();
    assert_eq!(note.to_string(), NOTE);
    assert_eq!(note.verify(std::slice::from_ref(&key)), Ok(()));
    for at in 0..NOTE.len() {
        let mut bytes = NOTE.as_bytes().to_vec();
        bytes[at] ^= 1;
        let outcome = Note::parse(&bytes).and_then(|note| note.verify(std::slice::from_ref(&key)));
        assert!(outcome.is_err(), "byte {at} flipped and still believed");
    }
}

#[test]
fn published_key_of_the_checksum_database_parses() {
    let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    assert_eq!(VerifierKey::parse(text).unwrap().to_string(), text);
    assert!(matches!(
        VerifierKey::parse(&text.replace("033de0ae", "033de0af")),
        Err(KeyError::Id { .. })
    ));
    assert_eq!(VerifierKey::parse("sum.golang.org"), Err(KeyError::Form));
    assert_eq!(VerifierKey::parse("a+00000000+AgAA"), Err(KeyError::Type));
}

#[test]
fn unknown_signatures_ride_along_and_known_ones_must_hold() {
    let (log, witness, other) = (
        signer("log.example", 1),
        signer("witness.example", 2),
        signer("log.example", 3),
    );
    let mut note = Note::sign("a\n\nb\n", &log).unwrap();
    let by = |key: &Ed25519Signer, bytes| Signature {
        name: key.name().clone(),
        key_id: key.key_id(),
        bytes,
    };
    note.add(by(&witness, vec![9; 2420]));
    let note = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!((note.text(), note.signatures().len()), ("a\n\nb\n", 2));
    let keys = |keys: &[&Ed25519Signer]| keys.iter().map(|key| key.verifier().clone()).collect::<Vec<_>>();
    assert_eq!(note.verify(&keys(&[&log])), Ok(()));
    assert!(matches!(
        note.verify(&keys(&[&log, &witness])),
        Err(NoteError::BadSignature(_))
    ));
    assert!(
        matches!(note.verify(&keys(&[&other])), Err(NoteError::UnknownKeys(_))),
        "same name, other key"
    );
    assert!(matches!(note.verify(&[]), Err(NoteError::UnknownKeys(_))));
}

#[test]
fn a_repeated_signature_of_a_known_key_must_hold_too() {
    let log = signer("log.example", 1);
    let mut note = Note::sign("a\n", &log).unwrap();
    let mut wrong = note.signatures()[0].clone();
    wrong.bytes[0] ^= 1;
    note.add(wrong);
    assert!(matches!(
        note.verify(&[log.verifier().clone()]),
        Err(NoteError::BadSignature(_))
    ));
}

#[test]
fn what_the_format_forbids_is_refused() {
    let line = "\u{2014} a AAAAAAA=\n";
    for bad in [
        String::new(),
        "text\n".to_owned(),
        format!("\n\n{line}"),
        format!("text{line}"),
        "text\n\n".to_owned(),
        format!("text\n\n{line}\n"),
        format!("text\n\n{}", line.trim_end()),
        format!("te\txt\n\n{line}"),
        format!("te\rxt\n\n{line}"),
        "text\n\n\u{2014} a AAAA\n".to_owned(),
        "text\n\n\u{2014} a AAAAAA\n".to_owned(),
        "text\n\n\u{2014} a  AAAAAAA=\n".to_owned(),
        "text\n\n\u{2014} a\u{a0}b AAAAAAA=\n".to_owned(),
        "text\n\n\u{2014} a+b AAAAAAA=\n".to_owned(),
        "text\n\n\u{2014}  AAAAAAA=\n".to_owned(),
        "text\n\n- a AAAAAAA=\n".to_owned(),
        format!("text\n\n{}", line.repeat(NOTE_SIGNATURES_MAX + 1)),
        format!("{}\n\n{line}", "x".repeat(NOTE_BYTES_MAX)),
    ] {
        assert!(
            Note::parse(bad.as_bytes()).is_err(),
            "{:?}",
            &bad[..bad.len().min(60)]
        );
    }
    assert!(Note::parse(&[b"\xff\n\n", line.as_bytes()].concat()).is_err());
    Note::parse(format!("text\n\n{}", line.repeat(NOTE_SIGNATURES_MAX)).as_bytes()).unwrap();
    assert!(Note::sign("no newline", &signer("a", 1)).is_err());
}

#[test]
fn keys_come_back_from_pkcs8() {
    let key = signer("log.example", 7);
    let again = Ed25519Signer::from_pkcs8(key.name().clone(), &key.to_pkcs8().unwrap()).unwrap();
    assert_eq!(again.verifier(), key.verifier());
    assert_ne!(signer("log.example", 8).verifier(), key.verifier());
    assert!(Ed25519Signer::from_pkcs8(key.name().clone(), b"nonsense").is_err());
    // RFC 8032 section 7.1, test 1.
    let seed: [u8; 32] = *b"\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";
    let key = Ed25519Signer::from_seed(KeyName::new("rfc").unwrap(), &seed).unwrap();
    assert_eq!(key.verifier().public()[..4], [0xd7, 0x5a, 0x98, 0x01]);
    assert_eq!(key.sign(b"").unwrap()[..4], [0xe5, 0x56, 0x43, 0x00]);
    assert!(!format!("{key:?}").contains("9d61"));
}
