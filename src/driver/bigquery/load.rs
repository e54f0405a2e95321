//! Rows brought by a load job into a table of their own, which costs nothing and is one job however many they are:
//! <https://cloud.google.com/bigquery/docs/batch-loading-data>.

use super::{Api, Body, Fault, Ids, Job, JobStatus, Trouble};
use crate::driver::{DriverError, ErrorKind, Staging, Value};
use crate::model::Kind;
use chrono::Utc;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use std::time::Duration;
use tokio::time::Instant;

/// How long the table is there where nobody comes to drop it. Longer than the clock of this machine may be behind.
const EXPIRES: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a load may take.
const TIMEOUT: Duration = Duration::from_secs(600);
/// The first and the longest pause before it is asked for again.
const POLL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));
/// What stands between the two parts of an upload. Control characters are escaped in JSON, so that no row has a line of its own that begins so.
const BOUNDARY: &str = "amx-schema-rows";

/// <https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#Table>, as far as it is read.
#[derive(Deserialize)]
struct Table {
    location: Option<String>,
}

impl Api {
    /// Makes the table and loads the rows into it. False where the user may do neither, or where the day's quota of loads is used up.
    pub(super) async fn stage(&self, staging: &Staging<'_>) -> Result<bool, DriverError> {
        let refused = |error: &DriverError| matches!(error.kind, ErrorKind::Denied | ErrorKind::Full);
        let location = match self.make(staging).await {
            Err(error) if refused(&error) => return Ok(false),
            made => made?,
        };
        match self.load(staging, location.as_deref()).await {
            Err(error) if refused(&error) => {
                self.unstage(staging.schema, staging.table).await;
                Ok(false)
            }
            loaded => loaded.map(|()| true),
        }
    }

    /// <https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/insert>. Gives where the table is.
    async fn make(&self, staging: &Staging<'_>) -> Result<Option<String>, DriverError> {
        let fields: Vec<Json> = staging.columns.iter().map(|(name, kind)| json!({ "name": name, "type": sql_type(*kind) })).collect();
        let expires = Utc::now().timestamp_millis() + EXPIRES.as_millis() as i64;
        let table = json!({
            "tableReference": { "projectId": self.project, "datasetId": staging.schema, "tableId": staging.table },
            "schema": { "fields": fields }, "expirationTime": expires.to_string(), "labels": { "program": "amx-schema" },
        });
        let path = ["datasets", staging.schema, "tables"];
        match self.ask::<Table>(Method::POST, &path, &[], Some(&Body::json(table.to_string()))).await {
            Ok(table) => Ok(table.location.or_else(|| self.location.clone())),
            // An earlier try landed; its answer was lost. The name is nobody else's.
            Err(Trouble::Refused(StatusCode::CONFLICT, _)) => Ok(self.location.clone()),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// A load lands as a whole or not at all, and a table that has rows takes no more of them.
    async fn load(&self, staging: &Staging<'_>, location: Option<&str>) -> Result<(), DriverError> {
        let rows = rows(staging)?;
        let configuration = json!({
            "jobTimeoutMs": TIMEOUT.as_millis().to_string(), "labels": { "program": "amx-schema" },
            "load": {
                "destinationTable": { "projectId": self.project, "datasetId": staging.schema, "tableId": staging.table },
                "sourceFormat": "NEWLINE_DELIMITED_JSON", "createDisposition": "CREATE_NEVER", "writeDisposition": "WRITE_EMPTY",
            },
        });
        let mut ids = Ids::new();
        loop {
            let id = ids.id();
            let about = json!({ "jobReference": self.reference(&id, location), "configuration": configuration });
            let job = self.begin(&id, location, &[("uploadType", "multipart")], upload(&about, &rows)).await?;
            match self.end(&id, job, location).await? {
                Ok(()) => return Ok(()),
                Err(fault) => self.next(&mut ids, fault).await?,
            }
        }
    }

    /// Waits for the end of a job that gives no rows.
    async fn end(&self, id: &str, mut job: Job, location: Option<&str>) -> Result<Result<(), Fault>, DriverError> {
        let (started, whole) = (Instant::now(), TIMEOUT + super::GRACE);
        let (mut pause, longest) = POLL;
        loop {
            match job.status {
                JobStatus { error_result: Some(fault), .. } => return Ok(Err(fault)),
                JobStatus { state, .. } if state == "DONE" => return Ok(Ok(())),
                _ => {}
            }
            let left = whole.saturating_sub(started.elapsed());
            if left.is_zero() {
                let message = format!("job {id} has not ended within {} s", whole.as_secs());
                return Err(DriverError::new(ErrorKind::Unreachable, message));
            }
            self.http.tell("BigQuery is loading rows", left, whole);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
            let place = job.job_reference.location.take();
            job = self.job(id, place.as_deref().or(location)).await?;
        }
    }

    /// Drops the table. Where that cannot be done, it vanishes by itself: <https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/delete>.
    pub(super) async fn unstage(&self, schema: &str, table: &str) {
        let Ok(request) = self.request(Method::DELETE, &["datasets", schema, "tables", table], &[], None).await else { return };
        let _ = self.http.send_once(request).await;
    }
}

/// A job with the data that it is of, in one request: <https://cloud.google.com/bigquery/docs/reference/api-uploads#multipart>.
fn upload(about: &Json, rows: &str) -> Body {
    let text = format!(
        "--{BOUNDARY}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{about}\r\n\
         --{BOUNDARY}\r\nContent-Type: application/octet-stream\r\n\r\n{rows}\r\n--{BOUNDARY}--\r\n"
    );
    Body { content_type: format!("multipart/related; boundary={BOUNDARY}"), text, upload: true }
}

/// One object a line, nulls left out: <https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json#details_of_loading_json_data>.
fn rows(staging: &Staging<'_>) -> Result<String, DriverError> {
    let mut text = String::new();
    for row in staging.rows {
        let values = staging.columns.iter().zip(row).filter_map(|((name, _), value)| {
            let value: Json = match value {
                Value::Text(value) => value.as_deref()?.into(),
                // As text, so that no digit is lost on the way.
                Value::Integer(value) => (*value)?.to_string().into(),
                Value::Boolean(value) => (*value)?.into(),
                Value::Time(value) => value.as_ref()?.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string().into(),
            };
            Some((name.to_string(), value))
        });
        let values: Map<String, Json> = values.collect();
        let line = serde_json::to_string(&values)
            .map_err(|error| DriverError::new(ErrorKind::Other, format!("a row has no JSON form: {error}")))?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// As the API names them: <https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema>.
fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Key | Kind::Text | Kind::Json | Kind::Literal => "STRING",
        Kind::Integer => "INTEGER",
        Kind::Boolean => "BOOLEAN",
        Kind::Timestamp => "TIMESTAMP",
    }
}
