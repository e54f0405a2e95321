//! What the backends that are reached over HTTP share: one client that honours proxies and certificate files, and the waiting that a service
//! asks for.

use super::{DriverError, ErrorKind, Waits};
use crate::error::{Code, Error, Result};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Request, StatusCode};
use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

/// How long a line may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take. A service that works longer than that answers before, and is asked again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(75);
/// The first pause where the service does not say how long it wants to be left alone; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that is taken at once, whatever the service asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long all pauses of one request may last together.
const PATIENCE: Duration = Duration::from_secs(300);

/// An HTTP client for one profile.
#[derive(Clone)]
pub(super) struct Http {
    client: Client,
    waits: Waits,
}

/// What a service answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body, as it came.
    pub body: Vec<u8>,
}

impl Http {
    /// A client. Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`); certificates are checked against the operating system's
    /// trust store, or against `roots` where a PEM file is named.
    ///
    /// # Errors
    /// `config_invalid` where that file cannot be read or holds no certificate.
    pub fn new(roots: Option<&Path>, waits: Waits) -> Result<Http> {
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .user_agent(concat!("amx-schema/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = roots {
            let unusable = |error: &dyn std::fmt::Display| {
                let message = format!("the certificates in {} cannot be used: {error}", path.display());
                Error::new(Code::ConfigInvalid, message, "name a PEM file with the certificates of the authorities to trust")
            };
            let pem = std::fs::read(path).map_err(|error| unusable(&error))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(&error))?;
            if certificates.is_empty() {
                return Err(unusable(&"it holds none"));
            }
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build().map_err(|error| Error::internal(format!("no HTTP client can be made: {error}")))?;
        Ok(Http { client, waits })
    }

    /// The client, for building requests.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request and gives whatever was answered. A 429 or a 503 is waited out and the request sent again: neither was worked on.
    ///
    /// # Errors
    /// `Unreachable` where no answer came, so that it is not known whether the request was worked on; `Tls`.
    pub async fn send(&self, request: Request) -> std::result::Result<Answer, DriverError> {
        let (mut pause, mut waited) = (FIRST_PAUSE, Duration::ZERO);
        loop {
            let again = request.try_clone();
            let Some(this) = again else { return Err(DriverError::new(ErrorKind::Other, "a request that cannot be sent twice")) };
            let (answer, asked) = self.send_once(this).await?;
            let busy = matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            if !busy || waited >= PATIENCE {
                return Ok(answer);
            }
            let this_pause = asked.unwrap_or(pause).min(LONGEST_PAUSE);
            let why = format!("{} asks for a pause (HTTP {})", request.url().host_str().unwrap_or("the service"), answer.status.as_u16());
            self.wait(&why, this_pause).await;
            waited += this_pause.max(FIRST_PAUSE);
            pause *= 2;
        }
    }

    /// Sends a request once and gives whatever was answered, and how long the service wants to be left alone.
    ///
    /// # Errors
    /// As [`Http::send`].
    pub async fn send_once(&self, request: Request) -> std::result::Result<(Answer, Option<Duration>), DriverError> {
        let response = self.client.execute(request).await.map_err(|error| fold(&error))?;
        let status = response.status();
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let body = response.bytes().await.map_err(|error| fold(&error))?.to_vec();
        Ok((Answer { status, body }, asked))
    }

    /// Tells of a pause that is not waited out here: how long it may still last, and how long as a whole.
    #[cfg(feature = "bigquery")]
    pub fn tell(&self, why: &str, left: Duration, whole: Duration) {
        (self.waits)(why, left, whole);
    }

    /// Waits, and tells each second how long still.
    pub async fn wait(&self, why: &str, pause: Duration) {
        super::wait_out(&self.waits, why, pause, Duration::ZERO).await;
    }

    /// Waits once more for the same, so that whoever says it once has said it.
    #[cfg(feature = "databricks")]
    pub async fn wait_more(&self, why: &str, pause: Duration, waited: Duration) {
        super::wait_out(&self.waits, why, pause, waited).await;
    }
}

/// Folds what reqwest says. The URL is left out: its query may hold what is nobody's business.
fn fold(error: &reqwest::Error) -> DriverError {
    let mut chain = vec![];
    let mut cause = error.source();
    while let Some(inner) = cause {
        chain.push(inner.to_string());
        cause = inner.source();
    }
    let message = match chain.last() {
        _ if error.is_timeout() => "no answer came in time".to_string(),
        Some(last) => last.clone(),
        None => "the line broke".to_string(),
    };
    let tls = chain.iter().any(|text| text.contains("certificate") || text.contains("tls handshake"));
    DriverError::new(if tls { ErrorKind::Tls } else { ErrorKind::Unreachable }, message)
}
