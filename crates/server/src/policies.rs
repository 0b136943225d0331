//! Policy files and task templates of this installation, beside those shipped in the binary.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use remit_core::name::Name;
use remit_policy::{
    Layer, Source, Template, shipped_baseline, shipped_guardrails, shipped_observing, shipped_templates,
};

use crate::app::Failure;
use crate::config::Config;
use crate::paths::Paths;

/// Templates by name.
pub type Templates = BTreeMap<Name, Template>;

/// Everything a bundle is loaded from, strictest layer first, and the templates.
///
/// # Errors
/// [`Failure::Invalid`] with the file and the place when one cannot be read.
pub fn sources(config: &Config, paths: &Paths) -> Result<(Vec<Source>, Templates), Failure> {
    let mut sources = vec![shipped_guardrails(), shipped_baseline()];
    let folder = config
        .policy
        .dir
        .clone()
        .unwrap_or_else(|| paths.config.join("policies"));
    for file in files(&folder, "cedar")? {
        let text = read(&file)?;
        let name = file
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        sources.push(Source::organisation(name, text));
    }
    let templates = templates(config, paths)?;
    sources.extend(templates.values().filter_map(Template::source));
    Ok((sources, templates))
}

/// What binds a call whose class is observed only: guardrails and templates, and a permit in place of the rest.
#[must_use]
pub fn observing(sources: &[Source]) -> Vec<Source> {
    let kept = sources
        .iter()
        .filter(|source| matches!(source.layer, Layer::Guardrail | Layer::Template));
    kept.cloned().chain([shipped_observing()]).collect()
}

/// Shipped templates, and those of this installation; a file of the same name replaces a shipped one.
///
/// # Errors
/// [`Failure::Invalid`] with the file and the place when one cannot be read.
pub fn templates(config: &Config, paths: &Paths) -> Result<Templates, Failure> {
    let mut templates: Templates = shipped_templates()
        .map_err(Failure::invalid)?
        .into_iter()
        .map(|t| (t.name.clone(), t))
        .collect();
    let folder = config
        .policy
        .templates
        .clone()
        .unwrap_or_else(|| paths.config.join("templates"));
    for file in files(&folder, "toml")? {
        let text = read(&file)?;
        let template = Template::parse(&text)
            .map_err(|error| Failure::Invalid(format!("{}: {error}", file.display())))?;
        templates.insert(template.name.clone(), template);
    }
    Ok(templates)
}

/// Files with an ending, by name; a folder that does not exist has none.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, Failure> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(Failure::Invalid(format!(
                "cannot read {}: {error}",
                folder.display()
            )));
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::Invalid(format!("cannot read {}: {error}", file.display())))
}
