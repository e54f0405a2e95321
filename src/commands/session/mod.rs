//! `session`

mod list;
mod new;
mod resume;
mod show;

use super::Session;
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::history::time_text;
use crate::printer::one_line;
use crate::store::sessions::{ChatSession, SessionId, Turn, unknown};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// Chat sessions, each with the profile that it belongs to.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    List(list::Args),
    Show(show::Args),
    New(new::Args),
    Resume(resume::Args),
}

pub(crate) fn run(session: &Session, command: &Command) -> Result<()> {
    match command {
        Command::List(args) => list::run(session, args),
        Command::Show(args) => show::run(session, args),
        Command::New(args) => new::run(session, args),
        Command::Resume(args) => resume::run(session, args),
    }
}

/// A session as JSON lists it.
#[derive(Serialize)]
struct Listed {
    id: String,
    profile: Option<String>,
    title: Option<String>,
    started_at: Option<String>,
    last_active_at: Option<String>,
    ended_at: Option<String>,
    turns: u64,
    source: &'static str,
    current: bool,
    #[serde(skip)]
    last_active: Option<DateTime<Utc>>,
}

impl Listed {
    fn new(session: &ChatSession, current: bool) -> Listed {
        Listed {
            id: session.id.to_string(),
            profile: session.profile.clone(),
            title: session.title.clone(),
            started_at: session.started_at.map(time_text),
            last_active_at: session.last_active_at.map(time_text),
            ended_at: session.ended_at.map(time_text),
            turns: session.turns,
            source: session.id.source(),
            current,
            last_active: session.last_active_at,
        }
    }

    fn title(&self) -> String {
        self.title.as_deref().map_or_else(|| "(no title)".into(), one_line)
    }
}

/// A session with all that is known of it and what was said in it.
#[derive(Serialize)]
struct Transcript {
    session: Detail,
    turns: Vec<Said>,
}

#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    listed: Listed,
    llm_profile: Option<String>,
    created_by: Option<String>,
    hostname: Option<String>,
}

#[derive(Serialize)]
struct Said {
    turn_index: Option<i64>,
    role: Option<String>,
    question: Option<String>,
    answer_summary: Option<String>,
    created_at: Option<String>,
}

impl Transcript {
    fn new((session, turns): (ChatSession, Vec<Turn>), current: bool) -> Transcript {
        let listed = Listed::new(&session, current);
        let said = |turn: Turn| Said {
            turn_index: turn.turn_index,
            role: turn.role,
            question: turn.question,
            answer_summary: turn.answer_summary,
            created_at: turn.created_at.map(time_text),
        };
        let ChatSession { llm_profile, created_by, hostname, .. } = session;
        Transcript { session: Detail { listed, llm_profile, created_by, hostname }, turns: turns.into_iter().map(said).collect() }
    }

    /// Stored text is set off by two blanks, so that none of it passes for a turn or a line of the head.
    fn shown(&self) -> String {
        let Detail { listed, llm_profile, created_by, hostname } = &self.session;
        let who =
            created_by.as_ref().map(|who| format!("{who}{}", hostname.as_ref().map(|name| format!(" on {name}")).unwrap_or_default()));
        let kept = match listed.source {
            "amx-cli" => "by AMX itself",
            _ => "by amx-schema",
        };
        let head = [
            ("session", Some(format!("{}{}", listed.id, if listed.current { ", the current one" } else { "" }))),
            ("title", Some(listed.title())),
            ("profile", Some(listed.profile.clone().unwrap_or_else(|| "(none)".into()))),
            ("llm", llm_profile.clone()),
            ("kept", Some(kept.into())),
            ("who", who),
            ("started", listed.started_at.clone()),
            ("active", listed.last_active_at.clone()),
            ("ended", listed.ended_at.clone()),
            ("turns", Some(listed.turns.to_string())),
        ];
        let mut text = String::new();
        for (name, value) in head {
            text.extend(value.map(|value| format!("{name:<9} {}\n", one_line(&value))));
        }
        for (at, turn) in self.turns.iter().enumerate() {
            let index = turn.turn_index.map_or_else(|| at.to_string(), |index| index.to_string());
            let head = [Some(index), turn.role.as_deref().map(one_line), turn.created_at.clone()];
            text.push_str(&format!("\n{}\n", head.into_iter().flatten().collect::<Vec<_>>().join("  ")));
            for said in [&turn.question, &turn.answer_summary].into_iter().flatten() {
                text.extend(said.split('\n').map(|line| format!("  {line}\n")));
            }
        }
        text
    }
}

/// The id that was given, or that there is no such session: what is no id is none of a session either.
fn given_id(text: &str) -> Result<SessionId> {
    SessionId::from_text(text).ok_or_else(|| unknown(text))
}

/// The profile in use: `--profile`, else the active one.
fn profile_in_use(session: &Session) -> Result<Option<String>> {
    let config = session.config()?;
    match &session.global.profile {
        Some(name) => require_known(&config, name).map(|()| Some(name.clone())),
        None => config.active_db_profile(),
    }
}

/// Requires that there is a profile of that name. One that cannot host a store, such as one of DuckDB, has sessions all the same.
fn require_known(config: &Config, name: &str) -> Result<()> {
    match config.profile(name) {
        Err(error) if error.code == Code::ProfileUnknown => Err(error),
        _ => Ok(()),
    }
}

/// A session is bound to a profile by its name, and a URL has none.
fn refuse_url(session: &Session) -> Result<()> {
    match session.global.url {
        None => Ok(()),
        Some(_) => Err(Error::new(
            Code::Usage,
            "a session belongs to a profile of config.yml, and a URL names none",
            "leave out --url (unset AMX_URL), or give --profile NAME in its place",
        )),
    }
}
