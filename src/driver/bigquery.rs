//! BigQuery over its REST API, version 2: <https://cloud.google.com/bigquery/docs/reference/rest>.
//!
//! Every statement is a query job whose id is chosen here, so that no statement runs twice: a request without an answer is sent again under the
//! same id, and the service refuses the second one with 409 where the first has landed. A job that ended in an error has left nothing behind and
//! has used up its id; where the reason passes, the statement is tried under the next one. Many rows are a load job, which goes the same way.
//! <https://googleapis.dev/python/bigquery/latest/design/query-retries.html>

mod load;

use super::http::Http;
use super::{Driver, DriverError, ErrorKind, Failure, Op, Row, Staging, Value, Waits};
use crate::error::{Code, Error};
use crate::model::Kind;
use crate::profile::{Profile, is_local};
use crate::secret::{self, SecretRef, expand};
use async_trait::async_trait;
use chrono::DateTime;
use futures_util::stream::BoxStream;
use google_cloud_auth::credentials::{
    AccessTokenCredentials, Builder, external_account, external_account_authorized_user, impersonated, service_account, user_account,
};
use google_cloud_auth::errors::CredentialsError;
use reqwest::{Method, Request, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// Where the API is.
const ENDPOINT: &str = "https://bigquery.googleapis.com";
/// What the token is for: <https://cloud.google.com/bigquery/docs/authorization#user-account-scopes>.
const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";
/// The largest request: <https://cloud.google.com/bigquery/quotas#query_jobs>.
const REQUEST_MAX: usize = 10_000_000;
/// How long any other statement may take.
const TIMEOUT: Duration = Duration::from_secs(600);
/// How much longer the end of a job is waited for: the service stops it some time after it was to.
const GRACE: Duration = Duration::from_secs(60);
/// How long the service may hold back an answer in which there is none yet.
const HOLD: Duration = Duration::from_secs(10);
/// How long it may take to be told that a job has begun.
const ANSWER: Duration = Duration::from_secs(20);
/// How many bytes a second the line takes at least; a job may have some megabytes.
const SLOWEST: u64 = 50_000;
/// How often a request is sent that is not answered, and how often a statement is tried that fails for a reason that passes.
const TRIES: u32 = 5;
/// The first pause before a statement is tried again that the service has put off; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The first pause before a question is asked again that got no answer, likewise.
const FIRST_REPEAT: Duration = Duration::from_millis(250);
/// What is said of a dataset that was looked for, not found, and is there all the same.
const ELSEWHERE: &str = "; where it is in another location, give the profile its `location`";

pub(super) async fn connect(profile: &Profile, home: &Path, waits: Waits) -> Result<Box<dyn Driver>, Error> {
    let field = |name: &str| profile.field(name).map(str::to_string);
    let project = field("project").ok_or_else(|| Error::internal("a BigQuery profile names no project"))?;
    let endpoint = endpoint(profile.field("endpoint").unwrap_or(ENDPOINT))?;
    let path = profile.field("credentials_path");
    let credentials = match endpoint.host_str().is_some_and(is_local) && path.is_none() {
        true => None,
        // A relative path in a profile is seen from the home, one in a URL from where the user is.
        false => Some(credentials(path, if profile.name.is_some() { home } else { Path::new("") }, home)?),
    };
    let http = Http::new(None, waits)?;
    let mut api = Api { http, endpoint, project, location: field("location"), credentials };
    let found = api.arrive(profile.field("dataset")).await?;
    api.location = api.location.or(found);
    Ok(Box::new(BigQuery { api, stages: true }))
}

fn endpoint(text: &str) -> Result<Url, Error> {
    let wrong =
        |what: &str| Error::new(Code::ConfigInvalid, format!("`endpoint` {what}"), format!("write it as {ENDPOINT}, or leave it out"));
    let url = Url::parse(text).map_err(|_| wrong("is no URL"))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if url.host_str().is_some_and(is_local) => Ok(url),
        "http" => Err(wrong("is http, which is taken on loopback alone")),
        _ => Err(wrong("is neither https nor http")),
    }
}

/// What a file of credentials holds says which kind it is; without one, those that the machine has are looked for:
/// <https://cloud.google.com/docs/authentication/application-default-credentials>.
fn credentials(path: Option<&str>, base: &Path, home: &Path) -> Result<AccessTokenCredentials, Error> {
    let wrong = |what: String| {
        let hint = "give the profile a `credentials_path`, or run `gcloud auth application-default login`";
        Error::new(Code::ConfigInvalid, what, hint)
    };
    let Some(path) = path else {
        let found = Builder::default().with_scopes([SCOPE]).build_access_token_credentials();
        return found.map_err(|error| wrong(format!("no application default credentials can be used: {error}")));
    };
    let text = match SecretRef::parse(path) {
        SecretRef::Plain(_) => {
            let path = expand(path, base);
            std::fs::read_to_string(&path)
                .map_err(|error| wrong(format!("the credentials in {} cannot be read: {error}", path.display())))?
        }
        reference => secret::resolve(&reference, home)?.expose_secret().to_string(),
    };
    // What serde says of a file that is none could repeat a part of it.
    let json: Json = serde_json::from_str(&text).map_err(|_| wrong("`credentials_path` names no file of credentials in JSON".into()))?;
    let built = match json["type"].as_str().unwrap_or_default() {
        "service_account" => {
            let scopes = service_account::AccessSpecifier::from_scopes([SCOPE]);
            service_account::Builder::new(json).with_access_specifier(scopes).build_access_token_credentials()
        }
        "authorized_user" => user_account::Builder::new(json).with_scopes([SCOPE]).build_access_token_credentials(),
        "impersonated_service_account" => impersonated::Builder::new(json).with_scopes([SCOPE]).build_access_token_credentials(),
        "external_account" => external_account::Builder::new(json).with_scopes([SCOPE]).build_access_token_credentials(),
        "external_account_authorized_user" => external_account_authorized_user::Builder::new(json).build_access_token_credentials(),
        _ => return Err(wrong("the file that `credentials_path` names has a `type` that is not known".into())),
    };
    built.map_err(|error| wrong(format!("the credentials that `credentials_path` names cannot be used: {error}")))
}

struct BigQuery {
    api: Api,
    /// Whether rows can be staged, as far as that is known.
    stages: bool,
}

#[async_trait]
impl Driver for BigQuery {
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
        let answer = self.api.run(sql, params).await?;
        Ok(answer.touched)
    }

    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        let answer = self.api.run(sql, params).await?;
        answer.rows.into_iter().map(|row| decode(row, kinds)).collect()
    }

    async fn atomic(&mut self, _ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
        Err(DriverError::new(ErrorKind::Other, "on BigQuery no transaction is used: each statement lands on its own").into())
    }

    async fn stage(&mut self, staging: &Staging<'_>) -> Result<bool, DriverError> {
        self.stages = self.stages && self.api.stage(staging).await?;
        Ok(self.stages)
    }

    async fn unstage(&mut self, schema: &str, table: &str) {
        self.api.unstage(schema, table).await;
    }

    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError> {
        Ok(Box::new(BigQuery { api: self.api.clone(), stages: self.stages }))
    }

    async fn try_lock(&mut self, _name: &str) -> Result<bool, DriverError> {
        Err(DriverError::new(ErrorKind::Other, "BigQuery has no lock of its own"))
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        Err(DriverError::new(ErrorKind::Other, "BigQuery has no lock of its own"))
    }

    /// There is no session to end.
    async fn close(self: Box<Self>) {}
}

/// The API of one project, as one user.
#[derive(Clone)]
struct Api {
    http: Http,
    endpoint: Url,
    project: String,
    /// Where jobs run; where there is none, the service goes by the datasets that a statement names.
    location: Option<String>,
    credentials: Option<AccessTokenCredentials>,
}

/// What a request brings.
struct Body {
    content_type: String,
    text: String,
    /// Whether it goes where data is uploaded: <https://cloud.google.com/bigquery/docs/reference/api-uploads>.
    upload: bool,
}

impl Body {
    fn json(text: String) -> Body {
        Body { content_type: "application/json".into(), text, upload: false }
    }
}

/// What a statement came to.
#[derive(Default)]
struct Answer {
    rows: Vec<ResultRow>,
    touched: u64,
}

/// <https://cloud.google.com/bigquery/docs/reference/rest/v2/Job>, as far as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    job_reference: JobReference,
    #[serde(default)]
    status: JobStatus,
}

#[derive(Deserialize)]
struct JobReference {
    location: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct JobStatus {
    state: String,
    error_result: Option<Fault>,
}

/// <https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults>, likewise.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    job_complete: bool,
    page_token: Option<String>,
    #[serde(default)]
    rows: Vec<ResultRow>,
    num_dml_affected_rows: Option<String>,
}

#[derive(Deserialize)]
struct ResultRow {
    f: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    v: Json,
}

/// What an error says: <https://cloud.google.com/bigquery/docs/reference/rest/v2/ErrorProto>.
#[derive(Debug, Clone, Deserialize)]
struct Fault {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: RefusalBody,
}

#[derive(Deserialize)]
struct RefusalBody {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<Fault>,
}

/// Why a request gave nothing.
#[derive(Debug)]
enum Trouble {
    /// The service said no, with this status.
    Refused(StatusCode, Fault),
    /// The service did not say.
    Unanswered(DriverError),
}

impl Trouble {
    /// Whether the same request may be answered when it is sent again. What it asks for may be done already.
    fn passes(&self) -> bool {
        match self {
            Trouble::Refused(status, fault) => status.is_server_error() || fault.passes(),
            Trouble::Unanswered(error) => error.kind == ErrorKind::Unreachable,
        }
    }
}

impl From<Trouble> for DriverError {
    fn from(trouble: Trouble) -> DriverError {
        match trouble {
            Trouble::Refused(StatusCode::UNAUTHORIZED, fault) => DriverError::new(ErrorKind::Auth, fault.message),
            Trouble::Refused(StatusCode::PAYLOAD_TOO_LARGE, fault) => DriverError::new(ErrorKind::TooLong, fault.message),
            Trouble::Refused(status, fault) if status.is_server_error() => DriverError::new(ErrorKind::Unreachable, fault.message),
            Trouble::Refused(_, fault) => fault.into(),
            Trouble::Unanswered(error) => error,
        }
    }
}

impl Fault {
    /// Whether the service asks to try again later. `quotaExceeded` is not among these: such a quota is one of days.
    fn passes(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "backendError" | "internalError" | "jobBackendError" | "jobInternalError" | "rateLimitExceeded" | "jobRateLimitExceeded"
        )
    }

    fn is_known_job(&self) -> bool {
        self.reason == "duplicate" && self.message.starts_with("Already Exists: Job")
    }
}

/// Folds what the service says. Reasons: <https://cloud.google.com/bigquery/docs/error-messages#errortable>; what is wrong with a statement is
/// told apart by the message alone.
impl From<Fault> for DriverError {
    fn from(fault: Fault) -> DriverError {
        let says = |text: &str| fault.message.to_ascii_lowercase().contains(text);
        let kind = match fault.reason.as_str() {
            "accessDenied" | "accessNotConfigured" | "forbidden" | "insufficientPermissions" => ErrorKind::Denied,
            "authError" | "required" => ErrorKind::Auth,
            "notFound" => ErrorKind::Missing,
            "duplicate" => ErrorKind::Exists,
            "quotaExceeded" => ErrorKind::Full,
            "rateLimitExceeded" | "jobRateLimitExceeded" | "tableUnavailable" => ErrorKind::Serialisation,
            "backendError" | "internalError" | "jobBackendError" | "jobInternalError" => ErrorKind::Unreachable,
            "stopped" | "timeout" => ErrorKind::LockTimeout,
            // https://cloud.google.com/bigquery/docs/data-manipulation-language#dml_statement_conflicts
            _ if says("could not serialize access") || says("due to concurrent update") || says("too many dml statements outstanding") => {
                ErrorKind::Serialisation
            }
            _ if says("already exists") => ErrorKind::Exists,
            _ if says("cannot be null") => ErrorKind::NotNull,
            _ if says("unrecognized name") || says("not found inside") || says("was not found") => ErrorKind::Missing,
            _ if says("request payload size") || says("query is too large") || says("exceeds the limit") => ErrorKind::TooLong,
            _ => ErrorKind::Other,
        };
        // The names of datasets are those of all locations, and each statement sees one.
        let elsewhere = if fault.message.starts_with("Already Exists: Dataset") { ELSEWHERE } else { "" };
        DriverError::new(kind, fault.message + elsewhere)
    }
}

/// The ids of one job: it has another one each time it is tried, since one that ended in an error is used up.
struct Ids {
    name: String,
    generation: u32,
}

impl Ids {
    fn new() -> Ids {
        Ids { name: uuid::Uuid::new_v4().simple().to_string(), generation: 1 }
    }

    fn id(&self) -> String {
        format!("amx_{}_{}", self.name, self.generation)
    }
}

impl Api {
    /// Sees that the service is there, takes the login and knows the project, by one request that costs nothing. Gives the location of the
    /// profile's dataset where there is one.
    async fn arrive(&self, dataset: Option<&str>) -> Result<Option<String>, DriverError> {
        let Some(dataset) = dataset else {
            let listed = self.ask::<Json>(Method::GET, &["datasets"], &[("maxResults", "1")], None).await;
            return Ok(listed.map(|_| None)?);
        };
        match self.ask::<JobReference>(Method::GET, &["datasets", dataset], &[], None).await {
            Ok(found) => Ok(found.location),
            // It may be made yet, and whether this user may see it is not the question.
            Err(Trouble::Refused(StatusCode::NOT_FOUND | StatusCode::FORBIDDEN, _)) => Ok(None),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Runs a statement to its end.
    async fn run(&self, sql: &str, params: &[Value]) -> Result<Answer, DriverError> {
        let mut ids = Ids::new();
        loop {
            let id = ids.id();
            let ended = match self.insert(&id, sql, params).await? {
                Job { status: JobStatus { error_result: Some(fault), .. }, .. } => Err(fault),
                job => self.finish(&id, job.job_reference.location.as_deref(), timeout(sql)).await?,
            };
            match ended {
                Ok(answer) => return Ok(answer),
                Err(fault) => self.next(&mut ids, fault).await?,
            }
        }
    }

    /// After a job that ended in an error, of which nothing landed: goes on to the next id where the error passes.
    async fn next(&self, ids: &mut Ids, fault: Fault) -> Result<(), DriverError> {
        if !fault.passes() || ids.generation == TRIES {
            return Err(fault.into());
        }
        let pause = FIRST_PAUSE * 2_u32.pow(ids.generation - 1);
        self.http.wait(&format!("BigQuery asks to try later ({})", fault.reason), pause).await;
        ids.generation += 1;
        Ok(())
    }

    fn reference(&self, id: &str, location: Option<&str>) -> Json {
        let mut reference = json!({ "projectId": self.project, "jobId": id });
        if let Some(location) = location {
            reference["location"] = location.into();
        }
        reference
    }

    /// Sends a statement as a job.
    async fn insert(&self, id: &str, sql: &str, params: &[Value]) -> Result<Job, DriverError> {
        let mut query = json!({ "query": sql, "useLegacySql": false });
        if !params.is_empty() {
            query["parameterMode"] = "NAMED".into();
            query["queryParameters"] = (1..).zip(params).map(parameter).collect();
        }
        let configuration =
            json!({ "jobTimeoutMs": timeout(sql).as_millis().to_string(), "labels": { "program": "amx-schema" }, "query": query });
        let location = self.location.as_deref();
        let body = json!({ "jobReference": self.reference(id, location), "configuration": configuration }).to_string();
        if body.len() > REQUEST_MAX {
            let message = format!("a statement takes {} bytes with its values, and BigQuery takes {REQUEST_MAX}", body.len());
            return Err(DriverError::new(ErrorKind::TooLong, message));
        }
        self.begin(id, location, &[], Body::json(body)).await
    }

    /// Sends a job until the service has answered for it: <https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/insert>.
    async fn begin(&self, id: &str, location: Option<&str>, query: &[(&str, &str)], body: Body) -> Result<Job, DriverError> {
        match self.ask(Method::POST, &["jobs"], query, Some(&body)).await {
            // An earlier try landed; its answer was lost.
            Err(Trouble::Refused(StatusCode::CONFLICT, fault)) if fault.is_known_job() => {
                // Where no location was given the message alone tells which one the service chose: `Already Exists: Job project:EU.id`.
                let place = fault.message.rsplit(':').next().and_then(|rest| rest.trim().strip_suffix(id)?.strip_suffix('.'));
                self.job(id, location.or(place)).await
            }
            answered => Ok(answered?),
        }
    }

    async fn job(&self, id: &str, location: Option<&str>) -> Result<Job, DriverError> {
        let query: Vec<(&str, &str)> = location.map(|location| ("location", location)).into_iter().collect();
        Ok(self.ask(Method::GET, &["jobs", id], &query, None).await?)
    }

    /// Waits for the end of a job and reads what it gave.
    async fn finish(&self, id: &str, location: Option<&str>, timeout: Duration) -> Result<Result<Answer, Fault>, DriverError> {
        let (started, whole) = (Instant::now(), timeout + GRACE);
        let hold = HOLD.as_millis().to_string();
        let mut answer = Answer::default();
        let mut token: Option<String> = None;
        loop {
            let mut query = vec![("formatOptions.useInt64Timestamp", "true"), ("timeoutMs", &hold)];
            query.extend(location.map(|location| ("location", location)));
            query.extend(token.as_deref().map(|token| ("pageToken", token)));
            let page: Page = match self.look(&["queries", id], &query).await {
                Ok(page) => page,
                // It is the job that failed, or only the question.
                Err(trouble) => match self.job(id, location).await?.status {
                    JobStatus { error_result: Some(fault), .. } => return Ok(Err(fault)),
                    _ if trouble.passes() && started.elapsed() < whole => {
                        tokio::time::sleep(FIRST_REPEAT).await;
                        continue;
                    }
                    _ => return Err(trouble.into()),
                },
            };
            if !page.job_complete {
                let left = whole.saturating_sub(started.elapsed());
                if left.is_zero() {
                    let message = format!("job {id} has not ended within {} s", whole.as_secs());
                    return Err(DriverError::new(ErrorKind::Unreachable, message));
                }
                self.http.tell("BigQuery is at work, or the statement waits for others", left, whole);
                // A service that does not hold back its answer is not asked without end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            answer.rows.extend(page.rows);
            if let Some(touched) = page.num_dml_affected_rows {
                answer.touched = touched.parse().map_err(|error| DriverError::shape(0, error))?;
            }
            token = page.page_token;
            if token.is_none() {
                return Ok(Ok(answer));
            }
        }
    }

    /// Sends a request again and again until it is answered. It must be one that may be sent twice. A 429 or a 503 is waited out beneath.
    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Body>,
    ) -> Result<T, Trouble> {
        let mut tried = 1;
        loop {
            let request = self.request(method.clone(), path, query, body).await.map_err(Trouble::Unanswered)?;
            let answered = self.http.send(request).await.map_err(Trouble::Unanswered).and_then(read);
            let doubled = 1 << (tried - 1);
            match &answered {
                // These were waited out as long as there is patience for.
                Err(Trouble::Refused(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _)) => return answered,
                Err(trouble) if !trouble.passes() || tried == TRIES => return answered,
                Err(Trouble::Refused(_, fault)) if fault.passes() => {
                    self.http.wait(&format!("BigQuery asks to try later ({})", fault.reason), FIRST_PAUSE * doubled).await;
                }
                Err(_) => tokio::time::sleep(FIRST_REPEAT * doubled).await,
                Ok(_) => return answered,
            }
            tried += 1;
        }
    }

    /// Asks once, without waiting.
    async fn look<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Trouble> {
        let request = self.request(Method::GET, path, query, None).await.map_err(Trouble::Unanswered)?;
        read(self.http.send_once(request).await.map_err(Trouble::Unanswered)?.0)
    }

    async fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)], body: Option<&Body>) -> Result<Request, DriverError> {
        let mut url = self.endpoint.clone();
        let no_base = |()| DriverError::new(ErrorKind::Other, "`endpoint` cannot have a path");
        let upload = body.is_some_and(|body| body.upload).then_some("upload");
        url.path_segments_mut()
            .map_err(no_base)?
            .pop_if_empty()
            .extend(upload)
            .extend(["bigquery", "v2", "projects", &self.project])
            .extend(path);
        let mut builder = self.http.client().request(method, url).query(query);
        if let Some(credentials) = &self.credentials {
            builder = builder.bearer_auth(credentials.access_token().await.map_err(|error| login(&error))?.token);
        }
        if let Some(body) = body {
            let upload = Duration::from_secs(body.text.len() as u64 / SLOWEST);
            builder = builder.timeout(ANSWER + upload).header("content-type", &body.content_type).body(body.text.clone());
        }
        builder.build().map_err(|error| DriverError::new(ErrorKind::Other, error.without_url()))
    }
}

/// What an answer holds, or what the service has against the request.
fn read<T: DeserializeOwned>(answer: super::http::Answer) -> Result<T, Trouble> {
    if answer.status.is_success() {
        let foreign = |_| Trouble::Unanswered(DriverError::new(ErrorKind::Other, super::NO_MESSAGE));
        return serde_json::from_slice(&answer.body).map_err(foreign);
    }
    let fault = match serde_json::from_slice(&answer.body) {
        Ok(Refusal { error: RefusalBody { message, errors } }) => {
            let reason = errors.into_iter().next().map(|fault| fault.reason).unwrap_or_default();
            Fault { reason, message }
        }
        // A proxy on the way speaks in its own words.
        Err(_) => Fault { reason: String::new(), message: format!("HTTP {}", answer.status) },
    };
    Err(Trouble::Refused(answer.status, fault))
}

/// Why there is no token.
fn login(error: &CredentialsError) -> DriverError {
    let kind = if error.is_transient() { ErrorKind::Unreachable } else { ErrorKind::Auth };
    DriverError::new(kind, format!("no access token was given: {error}"))
}

/// How long a statement may take.
fn timeout(sql: &str) -> Duration {
    let word = sql.split_whitespace().next().unwrap_or_default();
    match ["INSERT", "UPDATE", "DELETE", "MERGE"].contains(&word.to_ascii_uppercase().as_str()) {
        true => super::LONGEST_WRITE,
        false => TIMEOUT,
    }
}

/// The n-th bound value: <https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter>.
fn parameter((number, value): (usize, &Value)) -> Json {
    let (sql_type, text) = match value {
        Value::Text(text) => ("STRING", text.clone()),
        Value::Integer(number) => ("INT64", number.map(|number| number.to_string())),
        Value::Boolean(truth) => ("BOOL", truth.map(|truth| truth.to_string())),
        Value::Time(time) => ("TIMESTAMP", time.map(|time| time.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string())),
    };
    json!({ "name": format!("p{number}"), "parameterType": { "type": sql_type }, "parameterValue": { "value": text } })
}

fn decode(row: ResultRow, kinds: &[Kind]) -> Result<Row, DriverError> {
    if row.f.len() != kinds.len() {
        return Err(DriverError::shape(row.f.len().min(kinds.len()), format!("{} columns came, not {}", row.f.len(), kinds.len())));
    }
    let column = |(at, (cell, kind)): (usize, (Cell, &Kind))| {
        let shape = |error: &dyn std::fmt::Display| DriverError::shape(at, error);
        let text = match cell.v {
            Json::Null => None,
            Json::String(text) => Some(text),
            other => return Err(shape(&format!("{other} came, not text"))),
        };
        let number = |text: Option<String>| text.map(|text| text.parse::<i64>()).transpose().map_err(|error| shape(&error));
        Ok(match kind {
            Kind::Key | Kind::Text | Kind::Json | Kind::Literal => Value::Text(text),
            Kind::Integer => Value::Integer(number(text)?),
            Kind::Boolean => Value::Boolean(text.map(|text| text.parse()).transpose().map_err(|error| shape(&error))?),
            Kind::Timestamp => {
                let time = |micros| DateTime::from_timestamp_micros(micros).ok_or_else(|| shape(&"no such time"));
                Value::Time(number(text)?.map(time).transpose()?)
            }
        })
    };
    row.f.into_iter().zip(kinds).enumerate().map(column).collect()
}
