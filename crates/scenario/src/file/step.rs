//! A step: one verb, the keys it takes, its place.

use serde::de::DeserializeOwned;

use super::{
    Acted, AgentResume, AgentRetire, AgentSuspend, Answered, Approve, Begin, Call, Card, Change, Clock, Deny,
    Engine, File, FreezeAct, From, GrantRevoke, Http, HumanSuspend, Join, Kill, Lift, List, PolicyApply,
    Prompt, Read, Reading, Records, Resume, ServerRefresh, TaskAmend, TaskDone, TaskOpen, TaskRenew,
    TaskResume, TaskShow, TaskSpec, TaskSuspend, ToolsAdmit, ToolsRetire, Upstream, Verify,
};
use crate::text::{self, Key, Kind, Node, Problem};

/// One step and its place.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Its line in the file.
    pub line: usize,
    /// The verb and what it is about, for people.
    pub title: String,
    /// What is done, and what is expected of it.
    pub act: Do,
}

/// A schema, with its keys in the order of the code.
#[cfg(test)]
pub(super) struct Shape {
    pub name: &'static str,
    pub schema: schemars::Schema,
    pub keys: Vec<&'static str>,
}

macro_rules! verbs {
    ($($verb:literal => $variant:ident($($part:ident),+);)*) => {
        /// What a step does.
        #[derive(Clone, Debug)]
        pub(crate) enum Do {
            $($variant($($part),+),)*
        }

        /// Every verb.
        const VERBS: &[&str] = &[$($verb),*];

        fn read(verb: &str, parts: &mut Parts) -> Result<Do, Problem> {
            match verb {
                $($verb => {
                    parts.refuse_unknown(&[$(fields::of::<$part>()),+].concat())?;
                    Ok(Do::$variant($(parts.take::<$part>()?),+))
                })*
                _ => Err(Problem::at(parts.line, "this verb is not known")),
            }
        }

        /// For each verb: the schemas of its parts, each with its keys in order.
        #[cfg(test)]
        pub(super) fn schemas(generator: &mut schemars::SchemaGenerator) -> Vec<(&'static str, Vec<Shape>)> {
            use schemars::JsonSchema;
            vec![$(($verb, vec![$(Shape {
                name: stringify!($part),
                schema: <$part as JsonSchema>::json_schema(generator),
                keys: fields::of::<$part>(),
            }),+])),*]
        }
    };
}

verbs! {
    "call" => Call(Call, From, Answered);
    "begin" => Begin(Begin, From);
    "read" => Read(Read, From, Answered);
    "prompt" => Prompt(Prompt, From, Answered);
    "list" => List(List, From, Reading);
    "resume" => Resume(Resume, From, Answered);
    "join" => Join(Join, Answered);
    "http" => Http(Http, From, Answered);
    "approve" => Approve(Approve, Acted);
    "deny" => Deny(Deny, Acted);
    "card" => Card(Card);
    "grant revoke" => GrantRevoke(GrantRevoke, Acted);
    "freeze" => Freeze(FreezeAct, Acted);
    "lift" => Lift(Lift, Acted);
    "kill" => Kill(Kill, Acted);
    "task open" => TaskOpen(TaskOpen, TaskSpec, Acted);
    "task amend" => TaskAmend(TaskAmend, Acted);
    "task renew" => TaskRenew(TaskRenew, Acted);
    "task done" => TaskDone(TaskDone, Acted);
    "task suspend" => TaskSuspend(TaskSuspend, Acted);
    "task resume" => TaskResume(TaskResume, Acted);
    "task show" => TaskShow(TaskShow);
    "agent suspend" => AgentSuspend(AgentSuspend, Acted);
    "agent resume" => AgentResume(AgentResume, Acted);
    "agent retire" => AgentRetire(AgentRetire, Acted);
    "human suspend" => HumanSuspend(HumanSuspend, Acted);
    "tools admit" => ToolsAdmit(ToolsAdmit, Acted);
    "tools retire" => ToolsRetire(ToolsRetire, Acted);
    "server refresh" => ServerRefresh(ServerRefresh, Acted);
    "policy apply" => PolicyApply(PolicyApply, Acted);
    "clock" => Clock(Clock);
    "engine" => Engine(Engine);
    "change" => Change(Change);
    "upstream" => Upstream(Upstream);
    "file" => File(File);
    "records" => Records(Records);
    "verify" => Verify(Verify);
}

impl Step {
    /// Reads one step.
    ///
    /// # Errors
    /// What does not fit, with its place.
    pub(super) fn read(node: Node) -> Result<Self, Problem> {
        let line = node.line;
        let Kind::Map(entries) = node.kind else {
            return Err(Problem::at(
                line,
                "a step is a map that starts with its verb, for example `call: server/tool`",
            ));
        };
        let mut verbs = entries
            .iter()
            .filter(|(key, _)| VERBS.contains(&key.text.as_str()));
        let Some((key, value)) = verbs.next() else {
            let known = VERBS
                .iter()
                .map(|verb| format!("`{verb}`"))
                .collect::<Vec<_>>()
                .join(", ");
            return Err(Problem::at(
                line,
                format!("this step has no verb; give it one of {known}"),
            ));
        };
        if let Some((second, _)) = verbs.next() {
            let sentence = format!(
                "`{}` and `{}` are two steps; write them as two",
                key.text, second.text
            );
            return Err(Problem::at(second.line, sentence));
        }
        let verb = key.text.clone();
        let title = match &value.kind {
            Kind::Text(text) => format!("{verb} {text}"),
            _ => verb.clone(),
        };
        let mut parts = Parts { line, entries };
        let act = read(&verb, &mut parts).map_err(|problem| problem.or_at(line, 0))?;
        Ok(Self { line, title, act })
    }
}

/// The keys of a step that no part has taken yet.
struct Parts {
    line: usize,
    entries: Vec<(Key, Node)>,
}

impl Parts {
    fn refuse_unknown(&self, known: &[&'static str]) -> Result<(), Problem> {
        match self
            .entries
            .iter()
            .find(|(key, _)| !known.contains(&key.text.as_str()))
        {
            Some((key, _)) => Err(Problem {
                line: key.line,
                column: key.column,
                sentence: text::unknown_key(&key.text, known.iter().copied()),
            }),
            None => Ok(()),
        }
    }

    fn take<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let mine = fields::of::<T>();
        let (taken, left) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|(key, _)| mine.contains(&key.text.as_str()));
        self.entries = left;
        text::from_map(self.line, taken)
    }
}

pub(super) mod fields {
    //! The keys a derived struct knows, asked of serde itself.

    use serde::Deserializer;
    use serde::de::value::Error;
    use serde::de::{DeserializeOwned, Error as _, Visitor};

    /// The keys of `T`.
    pub(in crate::file) fn of<T: DeserializeOwned>() -> Vec<&'static str> {
        let mut fields: &'static [&'static str] = &[];
        // Always an error: nothing is read.
        let _ = T::deserialize(Ask(&mut fields));
        fields.to_vec()
    }

    struct Ask<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Ask<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("not a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            *self.0 = fields;
            Err(Error::custom("only asked"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
}
