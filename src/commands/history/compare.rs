//! `history compare`

use super::{Reading, open};
use crate::commands::Session;
use crate::error::Result;
use crate::history::Run;
use crate::printer::{added, ago, can_colour, fitted_table, one_line, removed};
use crate::store::shared::StoredResult;
use chrono::Utc;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long two texts may be searched for their differences; what is found by then is shown.
const SEARCH: Duration = Duration::from_millis(100);

/// Show the descriptions of two runs side by side.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run on the left.
    #[arg(value_name = "RUN")]
    left: String,
    /// The run on the right.
    #[arg(value_name = "RUN")]
    right: String,
    /// Only this name and those below it, such as sales.customer.
    #[arg(long, value_name = "PREFIX")]
    filter: Option<String>,
}

/// What two runs say about one object.
#[derive(Serialize)]
struct Compared {
    target_qname: String,
    left: Option<String>,
    right: Option<String>,
    status: Status,
}

#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Status {
    Same,
    Diff,
    LeftOnly,
    RightOnly,
}

pub(super) async fn run(session: &Session, args: &Args) -> Result<()> {
    let mut reading = open(session).await?;
    let (left, left_texts) = side(&mut reading, &args.left, args.filter.as_deref()).await?;
    let (right, right_texts) = side(&mut reading, &args.right, args.filter.as_deref()).await?;
    reading.close().await;
    let mut texts: BTreeMap<_, _> = left_texts.into_iter().map(|(qname, text)| (qname, (text, None))).collect();
    for (qname, text) in right_texts {
        texts.entry(qname).or_default().1 = text;
    }
    let rows: Vec<Compared> = texts.into_iter().map(|(target_qname, (left, right))| Compared::new(target_qname, left, right)).collect();
    session.printer.long_drawn_result(&rows, |rows| shown(rows, &left, &right))
}

/// A run, and its descriptions of those objects that have the prefix.
async fn side(reading: &mut Reading, run_id: &str, prefix: Option<&str>) -> Result<(Run, Vec<(String, Option<String>)>)> {
    let below = |qname: &str, prefix| qname.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let mut texts = vec![];
    let mut take = |page: Vec<StoredResult>| {
        let admitted = page.into_iter().map(|stored| stored.result);
        let admitted = admitted.filter(|result| prefix.is_none_or(|prefix| below(&result.target_qname, prefix)));
        texts.extend(admitted.map(|result| (result.target_qname, result.description)));
    };
    let run = reading.read(run_id, &mut take).await?.run;
    Ok((run, texts))
}

impl Compared {
    fn new(target_qname: String, left: Option<String>, right: Option<String>) -> Compared {
        let status = match (&left, &right) {
            (Some(_), None) => Status::LeftOnly,
            (None, Some(_)) => Status::RightOnly,
            (left, right) if left == right => Status::Same,
            _ => Status::Diff,
        };
        Compared { target_qname, left, right, status }
    }
}

fn shown(rows: &[Compared], left: &Run, right: &Run) -> String {
    let names = names(left, right);
    let now = Utc::now();
    let heads = [(names[0], left), (names[1], right)].map(|(name, run)| one_line(&format!("{name} ({})", ago(now, run.started_at))));
    let row = |row: &Compared| {
        let [left, right] = match (&row.left, &row.right) {
            (Some(left), Some(right)) if can_colour() => marked(left, right),
            (left, right) => [left, right].map(|text| text.as_ref().map_or_else(|| "(no description)".into(), |text| quoted(text))),
        };
        let status = match row.status {
            Status::Same => "same".into(),
            Status::Diff => "diff".into(),
            Status::LeftOnly => format!("{} added", one_line(names[0])),
            Status::RightOnly => format!("{} added", one_line(names[1])),
        };
        vec![one_line(&row.target_qname), left, right, status]
    };
    fitted_table(&["", &heads[0], &heads[1], "status"], rows.iter().map(row))
}

/// What the runs are called: by the person's name without the domain, as a whole where that does not tell them apart, and by the run where one
/// person ran both.
fn names<'a>(left: &'a Run, right: &'a Run) -> [&'a str; 2] {
    let forms: [fn(&Run) -> &str; 2] = [|run| run.who.split('@').next().unwrap_or_default(), |run| &run.who];
    let named = forms.into_iter().map(|form| [form(left), form(right)]);
    let mut apart = named.filter(|[left, right]| left != right && !left.is_empty() && !right.is_empty());
    apart.next().unwrap_or([&left.run_id, &right.run_id])
}

/// A text in quotes, as JSON writes it, so that no two look alike.
fn quoted(text: &str) -> String {
    one_line(&serde_json::Value::from(text).to_string())
}

/// Both texts in quotes, with the words in colour that the other one has not.
fn marked(left: &str, right: &str) -> [String; 2] {
    let (mut marked_left, mut marked_right) = (String::from("\""), String::from("\""));
    for change in TextDiff::configure().timeout(SEARCH).diff_words(left, right).iter_all_changes() {
        let quoted = quoted(change.value());
        let word = &quoted[1..quoted.len() - 1];
        match change.tag() {
            ChangeTag::Delete => marked_left += &removed(word),
            ChangeTag::Insert => marked_right += &added(word),
            ChangeTag::Equal => [&mut marked_left, &mut marked_right].into_iter().for_each(|marked| *marked += word),
        }
    }
    [marked_left + "\"", marked_right + "\""]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Attribution, State};
    use chrono::DateTime;

    fn run(run_id: &str, who: &str) -> Run {
        Run {
            run_id: run_id.into(),
            who: who.into(),
            started_at: DateTime::UNIX_EPOCH,
            finished_at: None,
            scope: "*".into(),
            llm_provider: "p".into(),
            llm_model: "m".into(),
            db_backend: "b".into(),
            state: State::Reviewed,
            applied_at: None,
            applied_by: None,
            metadata_json: None,
            attribution: Attribution::default(),
        }
    }

    #[test]
    fn a_person_is_called_as_briefly_as_tells_the_runs_apart() {
        let called = |left, right| {
            let (left, right) = (run("run_1", left), run("run_2", right));
            names(&left, &right).map(str::to_string)
        };
        assert_eq!(called("alice@acme.com", "bob@acme.com"), ["alice", "bob"]);
        assert_eq!(called("alice@acme.com", "alice@sub.acme.com"), ["alice@acme.com", "alice@sub.acme.com"]);
        assert_eq!(called("alice", "alice"), ["run_1", "run_2"]);
        assert_eq!(called("@a", "b"), ["@a", "b"]);
    }

    #[test]
    fn texts_that_differ_do_not_look_alike() {
        for (left, right) in [("a\nb", "a b"), ("a\nb", "a\\nb"), ("a\u{9b}", "a"), ("", " "), ("\"", "\\\"")] {
            assert_ne!(quoted(left), quoted(right));
        }
    }

    #[test]
    fn the_words_that_the_other_has_not_are_marked() {
        let [left, right] = marked("the first \"name\"", "the given \"name\"");
        assert_eq!(left, format!("\"the {} \\\"name\\\"\"", removed("first")));
        assert_eq!(right, format!("\"the {} \\\"name\\\"\"", added("given")));
    }
}
