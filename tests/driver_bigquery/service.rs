//! A scripted BigQuery: it checks that each request is as the API documents it, keeps jobs by their ids, and goes wrong as it is told to.

use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is refused with this status, reason and message.
    Refused(u16, &'static str, &'static str),
    /// It is refused with this status, and the service wants to be left alone for so many seconds.
    Busy(u16, u64),
    /// The line breaks before it is worked on.
    Lost,
    /// It is worked on, and the line breaks before the answer.
    Unanswered,
    /// It is worked on, and nothing is said.
    Silent,
}

/// What a job comes to.
#[derive(Debug, Clone)]
pub enum Ending {
    /// So many rows touched.
    Touched(u64),
    /// Rows, page by page.
    Pages(Vec<Vec<Vec<Json>>>),
    /// An error, with its reason and message.
    Failed(&'static str, &'static str),
}

#[derive(Default)]
pub struct State {
    /// Each request in order: `insert ID`, `upload ID`, `results ID`, `job ID`, `table NAME`, `drop NAME`, `datasets`, `dataset NAME`, `token`.
    asked: Vec<String>,
    /// What was not as the API documents it.
    wrong: Vec<String>,
    /// What goes wrong next, by the first word of the request.
    faults: BTreeMap<&'static str, VecDeque<Fault>>,
    /// What the next jobs come to; after the last, one row touched.
    endings: VecDeque<Ending>,
    /// Where each job runs and what it comes to, by its id. A job that is here has run.
    jobs: BTreeMap<String, (String, Ending)>,
    /// The jobs' requests, in order.
    pub bodies: Vec<Json>,
    /// The tables that were made, and the rows that were loaded into each.
    pub tables: BTreeMap<String, Vec<Json>>,
    /// How often the results are asked for before they are there.
    pub unready: usize,
    /// Where the datasets are, and where jobs run that name no location.
    pub location: &'static str,
    /// What came as `Authorization`.
    pub logins: Vec<String>,
    /// The forms that a token was asked for with.
    pub forms: Vec<String>,
}

pub struct Service {
    pub port: u16,
    pub state: Arc<Mutex<State>>,
}

impl Service {
    pub fn start() -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { location: "EU", ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream.unwrap(), &state));
            }
        });
        Service { port, state }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn will(&self, request: &'static str, fault: Fault) {
        self.state.lock().unwrap().faults.entry(request).or_default().push_back(fault);
    }

    pub fn ends(&self, ending: Ending) {
        self.state.lock().unwrap().endings.push_back(ending);
    }

    /// What was asked since the last time, with the part of a job's id cut out that differs each time: `insert _1`. All of it was as documented.
    #[track_caller]
    pub fn asked(&self) -> Vec<String> {
        let mut state = self.state.lock().unwrap();
        assert!(state.wrong.is_empty(), "{:#?}", state.wrong);
        let short = |asked: String| match asked.split_once(" amx_") {
            Some((word, id)) => format!("{word} {}", &id[32..]),
            None => asked,
        };
        std::mem::take(&mut state.asked).into_iter().map(short).collect()
    }

    /// The request of the only job there is.
    #[track_caller]
    pub fn body(&self) -> Json {
        let state = self.state.lock().unwrap();
        let [body] = &state.bodies[..] else { panic!("{} jobs", state.bodies.len()) };
        body.clone()
    }

    /// How many statements have run.
    pub fn ran(&self) -> usize {
        self.state.lock().unwrap().jobs.len()
    }
}

/// Answers the requests of one connection.
fn serve(mut stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = Request::read(&mut reader) {
        let (fault, answer) = answer(&request, &mut state.lock().unwrap());
        let Answer { status, headers, body } = match fault {
            Some(Fault::Lost | Fault::Unanswered) => return,
            // Longer than any client waits.
            Some(Fault::Silent) => return std::thread::sleep(Duration::from_secs(120)),
            _ => answer,
        };
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        if stream.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Request {
    fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_string(), words.next()?.to_string());
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim().split_once(": ") {
                Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_string()),
                None => break,
            };
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let url = url::Url::parse(&format!("http://service{target}")).unwrap();
        let query = url.query_pairs().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Some(Request { method, path: url.path().to_string(), query, headers, body: String::from_utf8(body).unwrap() })
    }
}

struct Answer {
    status: u16,
    headers: String,
    body: Json,
}

fn said(body: Json) -> Answer {
    Answer { status: 200, headers: String::new(), body }
}

/// As <https://cloud.google.com/bigquery/docs/error-messages> shows it.
fn refused(status: u16, reason: &str, message: &str) -> Answer {
    let errors = json!([{"domain": "global", "reason": reason, "message": message}]);
    Answer { status, headers: String::new(), body: json!({"error": {"code": status, "message": message, "errors": errors}}) }
}

fn answer(request: &Request, state: &mut State) -> (Option<Fault>, Answer) {
    state.logins.extend(request.headers.get("authorization").cloned());
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let of_project = parts.strip_prefix(&["bigquery", "v2", "projects", "shop"]).unwrap_or(&[]);
    let (word, name) = match (request.method.as_str(), of_project) {
        ("POST", ["jobs"]) => {
            let body: Json = serde_json::from_str(&request.body).unwrap();
            ("insert", body["jobReference"]["jobId"].as_str().unwrap_or_default().to_string())
        }
        ("POST", ["datasets", "sales", "tables"]) => {
            let body: Json = serde_json::from_str(&request.body).unwrap();
            ("table", body["tableReference"]["tableId"].as_str().unwrap_or_default().to_string())
        }
        ("DELETE", ["datasets", "sales", "tables", name]) => ("drop", name.to_string()),
        ("POST", []) if request.path == "/upload/bigquery/v2/projects/shop/jobs" => {
            ("upload", uploaded(request).0["jobReference"]["jobId"].as_str().unwrap_or_default().to_string())
        }
        ("GET", ["jobs", id]) => ("job", id.to_string()),
        ("GET", ["queries", id]) => ("results", id.to_string()),
        ("GET", ["datasets"]) => ("datasets", String::new()),
        ("GET", ["datasets", name]) => ("dataset", name.to_string()),
        ("POST", []) if request.path == "/token" => ("token", String::new()),
        _ => ("unknown", format!("{} {}", request.method, request.path)),
    };
    state.asked.push(format!("{word} {name}").trim_end().into());
    let fault = state.faults.get_mut(word).and_then(VecDeque::pop_front);
    let answer = match &fault {
        Some(Fault::Refused(status, reason, message)) => refused(*status, reason, message),
        Some(Fault::Busy(status, seconds)) => Answer {
            headers: format!("retry-after: {seconds}\r\n"),
            ..refused(*status, "backendError", "Visibility check was unavailable.")
        },
        Some(Fault::Lost) => said(Json::Null),
        Some(Fault::Unanswered | Fault::Silent) | None => match word {
            "insert" => insert(request, state),
            "upload" => upload(request, state),
            "table" => table(&name, request, state),
            "drop" => match state.tables.remove(&name) {
                Some(_) => said(json!({})),
                None => refused(404, "notFound", &format!("Not found: Table shop:sales.{name}")),
            },
            "results" => results(&name, request, state),
            "job" => job(&name, request, state),
            "datasets" => said(json!({"kind": "bigquery#datasetList"})),
            "dataset" => dataset(&name, state),
            "token" => {
                state.forms.push(request.body.clone());
                said(json!({"access_token": "given-for-it", "expires_in": 3600, "token_type": "Bearer"}))
            }
            _ => {
                state.wrong.push(name);
                refused(404, "notFound", "Not found")
            }
        },
    };
    (fault, answer)
}

/// <https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/insert>
fn insert(request: &Request, state: &mut State) -> Answer {
    let body: Json = serde_json::from_str(&request.body).unwrap();
    if request.headers.get("content-type").map(String::as_str) != Some("application/json") {
        state.wrong.push("a job that is not application/json".into());
    }
    begin(body, state)
}

fn conforms(body: &Json, schema: &Json, state: &mut State) {
    let schema = jsonschema::validator_for(schema).unwrap();
    state.wrong.extend(schema.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())));
}

/// Begins a job, unless its id is known.
fn begin(body: Json, state: &mut State) -> Answer {
    conforms(&body, &job_schema(), state);
    let id = body["jobReference"]["jobId"].as_str().unwrap_or_default().to_string();
    let location = body["jobReference"]["location"].as_str().unwrap_or(state.location).to_string();
    if state.jobs.contains_key(&id) {
        return refused(409, "duplicate", &format!("Already Exists: Job shop:{location}.{id}"));
    }
    let ending = state.endings.pop_front().unwrap_or(Ending::Touched(1));
    state.bodies.push(body);
    state.jobs.insert(id.clone(), (location.clone(), ending));
    // It has only begun, also where it is going to fail.
    said(json!({
        "kind": "bigquery#job", "id": format!("shop:{location}.{id}"), "status": {"state": "RUNNING"},
        "jobReference": {"projectId": "shop", "jobId": id, "location": location},
    }))
}

/// What a job is and the rows that came with it: <https://cloud.google.com/bigquery/docs/reference/api-uploads#multipart>.
fn uploaded(request: &Request) -> (Json, Vec<Json>) {
    let boundary = request.headers["content-type"].strip_prefix("multipart/related; boundary=").unwrap();
    // A delimiter begins a line.
    let body = format!("\r\n{}", request.body);
    let (parts, rest) = body.split_once(&format!("\r\n--{boundary}--")).unwrap();
    assert_eq!(rest.trim(), "");
    let delimiter = format!("\r\n--{boundary}\r\n");
    let parts: Vec<&str> = parts.split(&delimiter).collect();
    let [_, about, rows] = parts[..] else { panic!("{} parts", parts.len()) };
    let about = content_of(about, "Content-Type: application/json; charset=UTF-8");
    let rows = content_of(rows, "Content-Type: application/octet-stream");
    (serde_json::from_str(about).unwrap(), rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn content_of<'p>(part: &'p str, kind: &str) -> &'p str {
    let (head, content) = part.split_once("\r\n\r\n").unwrap();
    assert_eq!(head, kind);
    content
}

/// <https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json>
fn upload(request: &Request, state: &mut State) -> Answer {
    known_queries(request, &["uploadType"], state);
    let (about, rows) = uploaded(request);
    let id = about["jobReference"]["jobId"].as_str().unwrap_or_default().to_string();
    let into = about["configuration"]["load"]["destinationTable"]["tableId"].as_str().unwrap_or_default().to_string();
    let answer = begin(about, state);
    if answer.status == 200 {
        let fails = matches!(state.jobs.get(&id), Some((_, Ending::Failed(..))));
        match state.tables.get_mut(&into) {
            Some(there) if there.is_empty() && !fails => there.extend(rows),
            Some(_) if fails => {}
            _ => state.wrong.push(format!("a load into {into}, which is not there or not empty")),
        }
    }
    answer
}

/// <https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/insert>
fn table(name: &str, request: &Request, state: &mut State) -> Answer {
    let body: Json = serde_json::from_str(&request.body).unwrap();
    conforms(&body, &table_schema(), state);
    let expires: i64 = body["expirationTime"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    if expires < chrono::Utc::now().timestamp_millis() {
        state.wrong.push("a table that has expired".into());
    }
    if state.tables.contains_key(name) {
        return refused(409, "duplicate", &format!("Already Exists: Table shop:sales.{name}"));
    }
    state.tables.insert(name.into(), vec![]);
    let mut said_of_it = body;
    said_of_it["location"] = state.location.into();
    said(said_of_it)
}

/// A job elsewhere than in the US and the EU is found only where its location is named.
fn found<'s>(id: &str, request: &Request, state: &'s State) -> Option<&'s (String, Ending)> {
    let asked = request.query.get("location");
    state.jobs.get(id).filter(|(location, _)| asked == Some(location) || (asked.is_none() && matches!(location.as_str(), "US" | "EU")))
}

/// <https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/get>
fn job(id: &str, request: &Request, state: &mut State) -> Answer {
    known_queries(request, &["location", "projection"], state);
    let Some((location, ending)) = found(id, request, state) else { return refused(404, "notFound", &format!("Not found: Job shop:{id}")) };
    let status = match ending {
        Ending::Failed(reason, message) => {
            let error = json!({"reason": reason, "message": message});
            json!({"state": "DONE", "errorResult": error, "errors": [error]})
        }
        _ => json!({"state": "DONE"}),
    };
    said(json!({
        "kind": "bigquery#job", "id": format!("shop:{location}.{id}"), "status": status,
        "jobReference": {"projectId": "shop", "jobId": id, "location": location},
    }))
}

/// <https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults>
fn results(id: &str, request: &Request, state: &mut State) -> Answer {
    let known = ["location", "maxResults", "pageToken", "startIndex", "timeoutMs", "formatOptions.useInt64Timestamp"];
    known_queries(request, &known, state);
    let waits = request.query.get("timeoutMs").and_then(|text| text.parse::<u32>().ok());
    if waits.is_none_or(|waits| waits > 200_000) {
        state.wrong.push("results that the service is not to wait for".into());
    }
    if request.query.get("formatOptions.useInt64Timestamp").map(String::as_str) != Some("true") {
        state.wrong.push("times that lose their microseconds".into());
    }
    let Some((location, ending)) = found(id, request, state) else { return refused(404, "notFound", &format!("Not found: Job shop:{id}")) };
    let reference = json!({"projectId": "shop", "jobId": id, "location": location});
    if state.unready > 0 {
        state.unready -= 1;
        return said(json!({"kind": "bigquery#getQueryResultsResponse", "jobReference": reference, "jobComplete": false}));
    }
    let mut page = json!({"kind": "bigquery#getQueryResultsResponse", "jobReference": reference, "jobComplete": true, "totalRows": "0"});
    match ending {
        Ending::Touched(rows) => page["numDmlAffectedRows"] = rows.to_string().into(),
        Ending::Pages(pages) => {
            let number: usize = request.query.get("pageToken").map_or(0, |token| token.strip_prefix("page-").unwrap().parse().unwrap());
            let row = |row: &Vec<Json>| json!({"f": row.iter().map(|value| json!({"v": value})).collect::<Vec<_>>()});
            page["rows"] = pages[number].iter().map(row).collect();
            page["totalRows"] = pages.iter().map(Vec::len).sum::<usize>().to_string().into();
            if number + 1 < pages.len() {
                page["pageToken"] = format!("page-{}", number + 1).into();
            }
        }
        Ending::Failed(reason, message) => {
            // The error of the job is that of the question.
            let status = match *reason {
                "backendError" | "jobBackendError" => 503,
                "accessDenied" | "quotaExceeded" | "rateLimitExceeded" => 403,
                "notFound" => 404,
                "duplicate" => 409,
                _ => 400,
            };
            return refused(status, reason, message);
        }
    }
    said(page)
}

/// <https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets/get>
fn dataset(name: &str, state: &State) -> Answer {
    match name {
        "sales" => said(json!({
            "kind": "bigquery#dataset", "id": "shop:sales", "location": state.location,
            "datasetReference": {"projectId": "shop", "datasetId": "sales"},
        })),
        _ => refused(404, "notFound", &format!("Not found: Dataset shop:{name}")),
    }
}

fn known_queries(request: &Request, known: &[&str], state: &mut State) {
    let unknown = request.query.keys().filter(|name| !known.contains(&name.as_str()));
    state.wrong.extend(unknown.map(|name| format!("{}?{name}", request.path)));
}

/// The parts of <https://cloud.google.com/bigquery/docs/reference/rest/v2/Job> and <https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter>
/// that a query job may have.
fn job_schema() -> Json {
    let object = |required: &[&str], properties: Json| json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties});
    // Integers of 64 bits are strings in this API.
    let long = json!({"type": "string", "pattern": "^[0-9]+$"});
    let kinds = ["STRING", "INT64", "BOOL", "TIMESTAMP"];
    let parameter = object(
        &["name", "parameterType", "parameterValue"],
        json!({
            "name": {"type": "string", "pattern": "^p[0-9]+$"},
            "parameterType": object(&["type"], json!({"type": {"enum": kinds}})),
            "parameterValue": object(&[], json!({"value": {"type": ["string", "null"]}})),
        }),
    );
    let query = object(
        &["query", "useLegacySql"],
        json!({
            "query": {"type": "string", "maxLength": 1_048_576}, "useLegacySql": {"const": false},
            "parameterMode": {"const": "NAMED"}, "queryParameters": {"type": "array", "items": parameter, "maxItems": 10_000},
        }),
    );
    // https://cloud.google.com/bigquery/docs/labels-intro#requirements
    let labels = json!({"type": "object", "patternProperties": {"^[a-z][a-z0-9_-]{0,62}$": {"type": "string", "pattern": "^[a-z0-9_-]{0,63}$"}},
        "additionalProperties": false});
    let reference = object(
        &["projectId", "jobId"],
        json!({
            "projectId": {"const": "shop"}, "jobId": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,1024}$"}, "location": {"type": "string"},
        }),
    );
    let load = object(
        &["destinationTable", "sourceFormat"],
        json!({
            "destinationTable": of_table(), "sourceFormat": {"enum": ["CSV", "NEWLINE_DELIMITED_JSON", "AVRO", "PARQUET", "ORC"]},
            "createDisposition": {"enum": ["CREATE_IF_NEEDED", "CREATE_NEVER"]},
            "writeDisposition": {"enum": ["WRITE_TRUNCATE", "WRITE_APPEND", "WRITE_EMPTY"]},
        }),
    );
    let mut configuration = object(&[], json!({"query": query, "load": load, "jobTimeoutMs": long, "labels": labels}));
    configuration["oneOf"] = json!([{"required": ["query"]}, {"required": ["load"]}]);
    object(&["jobReference", "configuration"], json!({"jobReference": reference, "configuration": configuration}))
}

/// <https://cloud.google.com/bigquery/docs/reference/rest/v2/TableReference>
fn of_table() -> Json {
    let name = json!({"type": "string", "pattern": "^[a-zA-Z0-9_]{1,1024}$"});
    json!({"type": "object", "additionalProperties": false, "required": ["projectId", "datasetId", "tableId"],
        "properties": {"projectId": {"const": "shop"}, "datasetId": name, "tableId": name}})
}

/// The parts of <https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#Table> that a table may be made with.
fn table_schema() -> Json {
    let kinds = ["STRING", "BYTES", "INTEGER", "INT64", "FLOAT", "FLOAT64", "BOOLEAN", "BOOL", "TIMESTAMP", "DATE", "TIME", "DATETIME"];
    let field = json!({"type": "object", "additionalProperties": false, "required": ["name", "type"],
        "properties": {"name": {"type": "string", "maxLength": 300}, "type": {"enum": kinds}, "mode": {"enum": ["NULLABLE", "REQUIRED"]}}});
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["fields"],
        "properties": {"fields": {"type": "array", "items": field}}});
    json!({"type": "object", "additionalProperties": false, "required": ["tableReference", "schema"],
        "properties": {"tableReference": of_table(), "schema": schema, "labels": {"type": "object"},
            "expirationTime": {"type": "string", "pattern": "^[0-9]+$"}}})
}
