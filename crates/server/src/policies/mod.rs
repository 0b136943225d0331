//! Policy files and task templates of this installation, beside those shipped in the binary. What is in force is what was
//! applied and recorded, not what lies in a folder at the moment: an edit counts from `remit policy apply`, or a start.

pub mod apply;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use remit_core::digest::Digest;
use remit_core::json::{self, Bounds, Object, Value};
use remit_core::name::Name;
use remit_policy::{
    Layer, Source, Template, shipped_baseline, shipped_guardrails, shipped_observing, shipped_templates,
};

use crate::app::Failure;
use crate::config::Config;
use crate::paths::Paths;

/// Templates by name.
pub type Templates = BTreeMap<Name, Template>;

/// The texts of this installation, by file name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Rules (`.cedar`).
    rules: BTreeMap<String, String>,
    /// Templates (`.toml`).
    templates: BTreeMap<String, String>,
}

impl Files {
    /// As they lie in the folders now; a folder that does not exist has none.
    ///
    /// # Errors
    /// [`Failure::Invalid`] with the file when one cannot be read.
    pub fn read(config: &Config, paths: &Paths) -> Result<Self, Failure> {
        let rules = config.policy.dir.clone();
        let templates = config.policy.templates.clone();
        Ok(Self {
            rules: texts(&rules.unwrap_or_else(|| paths.config.join("policies")), "cedar")?,
            templates: texts(
                &templates.unwrap_or_else(|| paths.config.join("templates")),
                "toml",
            )?,
        })
    }

    /// As they were kept by [`Self::to_bytes`].
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when they were not.
    pub fn parse(kept: &[u8]) -> Result<Self, Failure> {
        let whole = json::parse(kept, &Bounds::RESPONSE).map_err(Failure::unavailable)?;
        let part = |name: &str| {
            let part = whole.as_object().and_then(|whole| whole.get(name)?.as_object());
            let texts = part.into_iter().flat_map(|part| part.iter());
            texts
                .map(|(file, text)| Some((file.to_owned(), text.as_str()?.to_owned())))
                .collect::<Option<BTreeMap<_, _>>>()
                .ok_or_else(|| Failure::Unavailable("the policy in force cannot be read".to_owned()))
        };
        Ok(Self {
            rules: part("rules")?,
            templates: part("templates")?,
        })
    }

    /// As canonical JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let object = |texts: &BTreeMap<String, String>| -> Object {
            texts
                .iter()
                .map(|(file, text)| (file.as_str(), Value::from(text.as_str())))
                .collect()
        };
        let whole = Object::from_iter([
            ("rules", Value::from(object(&self.rules))),
            ("templates", Value::from(object(&self.templates))),
        ]);
        Value::from(whole).to_canonical()
    }

    /// The digest of each file, by its name.
    #[must_use]
    pub fn digests(&self) -> Object {
        self.rules
            .iter()
            .chain(&self.templates)
            .map(|(file, text)| (file.as_str(), Digest::of(text.as_bytes()).to_string()))
            .collect()
    }

    /// Shipped templates, and these; a file of the same name replaces a shipped one.
    ///
    /// # Errors
    /// [`Failure::Invalid`] with the file and the place when one is not understood.
    pub fn templates(&self) -> Result<Templates, Failure> {
        let mut templates: Templates = shipped_templates()
            .map_err(Failure::invalid)?
            .into_iter()
            .map(|t| (t.name.clone(), t))
            .collect();
        for (file, text) in &self.templates {
            let template =
                Template::parse(text).map_err(|error| Failure::Invalid(format!("{file}: {error}")))?;
            templates.insert(template.name.clone(), template);
        }
        Ok(templates)
    }

    /// Everything a bundle is loaded from, strictest layer first.
    #[must_use]
    pub fn sources(&self, templates: &Templates) -> Vec<Source> {
        let shipped = [shipped_guardrails(), shipped_baseline()].into_iter();
        let rules = self.rules.iter();
        shipped
            .chain(rules.map(|(file, text)| Source::organisation(file.as_str(), text.as_str())))
            .chain(templates.values().filter_map(Template::source))
            .collect()
    }
}

/// What binds a call whose class is observed only: guardrails and templates, and a permit in place of the rest.
#[must_use]
pub fn observing(sources: &[Source]) -> Vec<Source> {
    let kept = sources
        .iter()
        .filter(|source| matches!(source.layer, Layer::Guardrail | Layer::Template));
    kept.cloned().chain([shipped_observing()]).collect()
}

/// The texts of files with an ending, by name.
fn texts(folder: &Path, ending: &str) -> Result<BTreeMap<String, String>, Failure> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => {
            return Err(Failure::Invalid(format!(
                "cannot read {}: {error}",
                folder.display()
            )));
        }
    };
    let files = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|found| found == ending));
    files.map(|path| text(&path)).collect()
}

fn text(path: &PathBuf) -> Result<(String, String), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Invalid(format!("cannot read {}: {error}", path.display())))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok((name.into_owned(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_was_read() {
        let files = Files {
            rules: [("a.cedar".to_owned(), "// \"quoted\"\n".to_owned())].into(),
            templates: [("t.toml".to_owned(), "name = \"t\"\n".to_owned())].into(),
        };
        assert_eq!(Files::parse(&files.to_bytes()).unwrap(), files);
        assert_eq!(Files::parse(b"{}").unwrap(), Files::default());
        assert!(Files::parse(br#"{"rules":{"a":1}}"#).is_err());
    }
}
