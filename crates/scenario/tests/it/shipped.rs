//! The files we ship go as they say, and so does the example of the documentation.

use std::path::PathBuf;

use crate::house::{root, run, scratch};

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join("scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shipped_file_passes() {
    let files = files();
    let (summary, text) = run(&files, false).await;
    assert_eq!(summary.passed, files.len(), "{text}");
    assert_eq!(summary.exit_code(), 0);
    let last = text.lines().last().unwrap();
    assert_eq!(last, format!("{} passed, 0 failed", files.len()));
}

#[test]
fn the_incidents_of_the_deliverable_are_there_and_name_their_requirements() {
    let files = files();
    for incident in ["I02", "I05", "I06", "I11", "I25"] {
        let file = files
            .iter()
            .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(incident));
        let text = std::fs::read_to_string(file.expect(incident)).unwrap();
        assert!(text.contains(&format!("\nincident: {incident}\n")), "{incident}");
    }
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("\nrequirements: ["), "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_documentation_passes() {
    let page = std::fs::read_to_string(root().join("docs/scenarios.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\n").expect("the page has an example");
    let (example, _) = rest.split_once("```").unwrap();
    let file = scratch("documentation", example);
    let (summary, text) = run(std::slice::from_ref(&file.0), false).await;
    assert_eq!(summary.passed, 1, "{text}");
}
