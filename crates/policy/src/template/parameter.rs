//! Parameters of templates and the values they take.

use remit_core::destination::Destination;
use remit_core::name::Name;
use remit_core::resource::Resource;
use remit_core::tool::ToolRef;

/// What kind of text a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterType {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A name: of a server, system, agent.
    Name,
    /// `system:path`.
    Resource,
    /// `kind:value`.
    Destination,
    /// `server/tool`.
    Tool,
}

impl ParameterType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "a whole number",
            Self::Name => "a name",
            Self::Resource => "a resource",
            Self::Destination => "a destination",
            Self::Tool => "a tool",
        }
    }
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What it is for, in words.
    pub description: String,
    /// What it takes.
    pub kind: ParameterType,
    /// Takes several, separated by commas; an entry that is only `{name}` then stands for one entry each.
    pub list: bool,
    /// What it is when nothing is given; `None` = it must be given.
    pub default: Option<String>,
}

impl Parameter {
    /// The values in a text; one, unless it is a list.
    ///
    /// # Errors
    /// What is wrong with the first bad one.
    pub fn values(&self, text: &str) -> Result<Vec<String>, String> {
        let parts: Vec<&str> = if self.list {
            text.split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .collect()
        } else {
            vec![text.trim()]
        };
        for part in &parts {
            self.check(part)?;
        }
        Ok(parts.into_iter().map(str::to_owned).collect())
    }

    fn check(&self, part: &str) -> Result<(), String> {
        let problem = match self.kind {
            ParameterType::Text => part
                .chars()
                .any(char::is_control)
                .then(|| "it has control characters".to_owned()),
            ParameterType::Integer => part.parse::<i64>().err().map(|e| e.to_string()),
            ParameterType::Name => part.parse::<Name>().err().map(|e| e.to_string()),
            ParameterType::Resource => part.parse::<Resource>().err().map(|e| e.to_string()),
            ParameterType::Destination => part.parse::<Destination>().err().map(|e| e.to_string()),
            ParameterType::Tool => part.parse::<ToolRef>().err().map(|e| e.to_string()),
        };
        problem.map_or(Ok(()), |problem| {
            Err(format!("it takes {}: {problem}", self.kind.as_str()))
        })
    }
}
