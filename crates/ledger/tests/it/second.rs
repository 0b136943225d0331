//! The second verifier, in another language and written from the formats alone, must come to the same conclusions.

use std::path::Path;
use std::process::Command;

#[expect(dead_code, reason = "an example has a main")]
#[path = "../../examples/make_export.rs"]
mod make_export;

#[test]
fn the_python_verifier_agrees() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../../e2e/verify_py/test_verify.py");
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: the second verifier needs python3, which is not installed");
        return;
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sample");
    std::fs::create_dir_all(&dir).unwrap();
    for (records, first) in [(130, 0), (300, 110)] {
        make_export::write_sample(&dir, records, first).unwrap();
        let said = Command::new("python3").arg(&python).arg(&dir).output().unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr),
        );
        assert!(said.status.success() && out.starts_with("ok: "), "{out}{err}");
    }
}
