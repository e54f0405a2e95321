//! Records a run as AMX does: into the local store of a home folder, and from there into a shared store.
//!
//! ```console
//! $ amx-schema migrate --url sqlite:///tmp/shared.db
//! $ cargo run --example record -- /tmp/home sqlite:///tmp/shared.db
//! ```

use amx_schema::driver::{self, Access, Driver};
use amx_schema::error::{Code, Error, Result};
use amx_schema::migration::MigrationSet;
use amx_schema::profile::Profile;
use amx_schema::store::local::LocalStore;
use amx_schema::store::outbox::Place;
use amx_schema::store::source::Person;
use amx_schema::sync::Connect;
use amx_schema::sync::flush::Link;
use amx_schema::sync::record::{Answer, Recorder, Shared};
use std::path::{Path, PathBuf};

/// How the store is reached. A recorder asks for a line when it first needs one, and again where one broke.
struct Store {
    profile: Profile,
    home: PathBuf,
}

#[async_trait::async_trait]
impl Connect for Store {
    async fn connect(&self) -> Result<Box<dyn Driver>> {
        driver::connect(&self.profile, &self.home, Access::Write, driver::unheard()).await
    }
}

/// Records a run with one result, and gives the acknowledgement of each operation.
///
/// # Errors
/// What the local store says, and what is wrong with an operation. A shared store that does not answer is no error: the run is queued.
pub async fn record_a_run(home: &Path, url: &str) -> Result<Vec<Answer>> {
    let store = Store { profile: Profile::from_url(url)?, home: home.into() };
    let set = MigrationSet::embedded(store.profile.backend)?;
    let schema = set.dialect.schema_name("AMX")?;
    let person = Person { who: "alice@acme.com".into(), hostname: "laptop".into() };

    let place = Place { name: "team".into(), address: store.profile.summary() };
    let link = Link::new(&store, set.dialect, &schema, place, &person);
    let mut recorder = Recorder::new(LocalStore::open(home)?, Shared::Enabled(Box::new(link)), &person);
    let run = r#"{"op":"run","scope":"sales","llm_provider":"openai","llm_model":"gpt-4o","db_backend":"postgresql"}"#;
    let mut answers = one(&mut recorder, run).await?;
    // The id was minted: what comes next is about that run.
    let run_id = answers.first().map(|answer| answer.run_id.clone()).unwrap_or_default();
    let results = format!(
        r#"{{"op":"results","run_id":"{run_id}","results":[{{"target_qname":"sales.customer","target_kind":"TABLE",
            "description":"One customer per row.","alternatives":[],"confidence":"high"}}]}}"#
    );
    answers.extend(one(&mut recorder, &results).await?);
    answers.extend(one(&mut recorder, &format!(r#"{{"op":"update","run_id":"{run_id}","state":"reviewed"}}"#)).await?);
    for warning in recorder.warnings() {
        eprintln!("warning: {warning}");
    }
    recorder.close().await;
    Ok(answers)
}

async fn one(recorder: &mut Recorder<'_>, operation: &str) -> Result<Vec<Answer>> {
    recorder.record(&[operation.as_bytes()]).await?.into_iter().collect()
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(home), Some(url)) = (args.next(), args.next()) else {
        return Err(Error::new(Code::Usage, "a home folder and a URL are needed", "give both: record HOME URL"));
    };
    for answer in record_a_run(Path::new(&home), &url).await? {
        println!("{} {}: {:?}", answer.op, answer.run_id, answer.shared);
    }
    Ok(())
}
