//! A database that a user named or gave as a URL: where it is, as whom to log in, and how far its certificate must be checked.

use crate::dialect::Backend;
use crate::error::{Code, Error, Result};
use crate::secret::{SecretRef, expand};
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// One value of `config.yml`, as YAML 1.1 and 1.2 readers both understand it.
#[derive(Clone, PartialEq, Eq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text, which may be a secret: there is no `Debug` on purpose.
    Text(String),
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Self {
        Scalar::Bool(value)
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Self {
        Scalar::Int(value)
    }
}

impl From<&str> for Scalar {
    fn from(value: &str) -> Self {
        Scalar::Text(value.to_owned())
    }
}

/// A connection, named in `config.yml` or given as a URL.
///
/// Only `secret` can hold one, and it prints as `***`; everything else may be shown.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The name under `db_profiles`; none where a URL was given.
    pub name: Option<String>,
    /// The engine behind it.
    pub backend: Backend,
    /// Where it is.
    pub target: Target,
    /// The one that the login takes: the password, the access token, the service principal's secret, or the passphrase of the private key.
    pub secret: Option<SecretRef>,
    secret_field: Option<&'static str>,
    fields: BTreeMap<&'static str, String>,
}

/// Where a profile's database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A server that is reached by host and port.
    Server(Server),
    /// A SQLite file.
    File(PathBuf),
    /// A cloud service (Snowflake, BigQuery, Databricks): its driver reads the fields with [`Profile::field`].
    Service,
}

/// A server that is reached by host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A name, an address (IPv6 without brackets), or for PostgreSQL the folder of a socket.
    pub host: String,
    /// The port; the engine's own where none was given.
    pub port: u16,
    /// The login name; the engine's client decides where there is none.
    pub user: Option<String>,
    /// The database; on Oracle the service name, else the SID.
    pub database: Option<String>,
    /// How far the line is secured.
    pub tls: Tls,
}

/// How far a line is secured, resolved from the profile so that a driver needs no rule of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// What is asked of the line.
    pub mode: TlsMode,
    /// The certificates to trust instead of the operating system's.
    pub roots: Option<PathBuf>,
}

/// What is asked of a line, in libpq's terms; MySQL's five words mean five of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// Never TLS.
    Disable,
    /// TLS only where the server refuses to do without.
    Allow,
    /// TLS where the server has it; no certificate is checked.
    Prefer,
    /// Always TLS; no certificate is checked.
    Require,
    /// Always TLS, with a certificate that a trusted authority signed, for whatever host.
    VerifyCa,
    /// Always TLS, with a certificate that a trusted authority signed for this host.
    VerifyFull,
}

impl TlsMode {
    /// libpq's word for it.
    pub fn word(self) -> &'static str {
        match self {
            TlsMode::Disable => "disable",
            TlsMode::Allow => "allow",
            TlsMode::Prefer => "prefer",
            TlsMode::Require => "require",
            TlsMode::VerifyCa => "verify-ca",
            TlsMode::VerifyFull => "verify-full",
        }
    }

    /// The mode that libpq's or MySQL's word stands for, in any case.
    fn from_word(word: &str) -> Option<TlsMode> {
        Some(match word.to_ascii_lowercase().replace('_', "-").as_str() {
            "disable" | "disabled" => TlsMode::Disable,
            "allow" => TlsMode::Allow,
            "prefer" | "preferred" => TlsMode::Prefer,
            "require" | "required" => TlsMode::Require,
            "verify-ca" => TlsMode::VerifyCa,
            "verify-full" | "verify-identity" => TlsMode::VerifyFull,
            _ => return None,
        })
    }
}

/// The fields that an entry under `db_profiles` may have beside `backend`; others are kept in the file and ignored.
pub fn fields(backend: Backend) -> &'static [&'static str] {
    match backend {
        Backend::PostgreSql | Backend::Redshift => &["host", "port", "user", "password", "database", "sslmode", "sslrootcert"],
        Backend::MySql => &["host", "port", "user", "password", "database", "ssl_disabled", "ssl_ca", "sslmode"],
        Backend::SqlServer => &["host", "port", "user", "password", "database", "encrypt", "trust_server_certificate"],
        Backend::Oracle => &["host", "port", "user", "password", "service_name", "database", "sslmode", "sslrootcert"],
        // The last ones are named as Snowflake's own clients name them, the passphrase as dbt does, which has `private_key_path` too:
        // https://docs.snowflake.com/en/developer-guide/python-connector/python-connector-api
        // https://docs.getdbt.com/docs/core/connect-data-platform/snowflake-setup
        Backend::Snowflake => &[
            "account",
            "user",
            "password",
            "private_key_path",
            "private_key_passphrase",
            "database",
            "warehouse",
            "role",
            "authenticator",
            "token",
            "host",
            "port",
            "protocol",
        ],
        Backend::BigQuery => &["project", "dataset", "credentials_path", "location", "endpoint"],
        Backend::Databricks => &["host", "http_path", "access_token", "client_id", "client_secret", "catalog", "tls_trusted_ca_file"],
        Backend::Sqlite => &["path"],
    }
}

/// The word that AMX itself writes for a backend: it knows SQL Server as `mssql` only.
pub fn amx_word(backend: Backend) -> &'static str {
    match backend {
        Backend::SqlServer => "mssql",
        other => other.word(),
    }
}

/// The port of an engine where none is given.
pub(crate) fn default_port(backend: Backend) -> u16 {
    match backend {
        Backend::MySql => 3306,
        Backend::SqlServer => 1433,
        Backend::Oracle => 1521,
        Backend::Redshift => 5439,
        Backend::Snowflake => 443,
        _ => 5432,
    }
}

impl Profile {
    /// A profile from its fields. Empty text counts as absent, as AMX writes it. Relative paths are seen from `base`.
    pub fn from_fields(name: Option<&str>, backend: Backend, given: &[(String, Scalar)], base: &Path) -> Result<Profile> {
        let given = Given { name, backend, base, values: given };
        let target = match backend {
            Backend::Sqlite => Target::File(expand(&given.needed("path")?, base)),
            Backend::Snowflake => {
                given.needed("account")?;
                given.needed("user")?;
                Target::Service
            }
            Backend::BigQuery => {
                given.needed("project")?;
                Target::Service
            }
            Backend::Databricks => {
                given.needed("host")?;
                given.needed("http_path")?;
                Target::Service
            }
            Backend::PostgreSql | Backend::MySql | Backend::SqlServer | Backend::Oracle | Backend::Redshift => {
                Target::Server(given.server()?)
            }
        };
        let mut shown = BTreeMap::new();
        for field in fields(backend) {
            if !is_secret(field)
                && let Some(text) = given.any(field)
            {
                shown.insert(*field, text);
            }
        }
        // People paste the address of the workspace: AMX takes the host out of it too.
        if backend == Backend::Databricks
            && let Some(host) = shown.get_mut("host")
        {
            let bare = host.trim().trim_start_matches("https://").trim_start_matches("http://").split('/').next().unwrap_or_default();
            *host = match bare.rsplit_once(':') {
                Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                    let name = given.host(name)?;
                    if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") }
                }
                _ => given.host(bare)?,
            };
        }
        if backend == Backend::Snowflake {
            given.snowflake(&mut shown)?;
        }
        let secret_field = given.secret_field()?;
        let secret = secret_field.map(|field| given.text(field)).transpose()?.flatten().as_deref().map(SecretRef::parse);
        Ok(Profile { name: name.map(str::to_owned), backend, target, secret, secret_field, fields: shown })
    }

    /// A profile from a URL as the documentation shows them. No error repeats any part of the URL that could be a secret.
    pub fn from_url(text: &str) -> Result<Profile> {
        let (backend, given) = read_url(text)?;
        // A relative path is what the user's shell means by it.
        Profile::from_fields(None, backend, &given, Path::new("")).map_err(|error| Error { code: Code::Usage, ..error })
    }

    /// A field of the backend's own, such as `warehouse`, as text. Never the secret.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The field that holds the secret of the login; none where it has no secret.
    pub fn secret_field(&self) -> Option<&'static str> {
        self.secret_field
    }

    /// Whether the secret itself is in the profile, and not a reference to where it is.
    pub fn has_plain_secret(&self) -> bool {
        matches!(self.secret, Some(SecretRef::Plain(_)))
    }

    /// The fields as they are written under `db_profiles`, the secret among them. A path is made absolute, since it is seen from elsewhere there.
    pub fn to_fields(&self) -> Vec<(String, Scalar)> {
        let scalar = |field: &str, text: &str| match (&self.target, text.parse::<i64>()) {
            (Target::File(path), _) if field == "path" => {
                Scalar::from(std::path::absolute(path).unwrap_or_else(|_| path.clone()).to_string_lossy().as_ref())
            }
            (_, Ok(port)) if field == "port" => Scalar::from(port),
            _ if field == "private_key_path" => {
                Scalar::from(std::path::absolute(text).unwrap_or_else(|_| text.into()).to_string_lossy().as_ref())
            }
            _ => Scalar::from(text),
        };
        let mut fields: Vec<_> = self.fields.iter().map(|(field, text)| (field.to_string(), scalar(field, text))).collect();
        if let (Some(field), Some(secret)) = (self.secret_field, &self.secret) {
            fields.push((field.to_owned(), Scalar::from(secret.written().expose_secret())));
        }
        fields
    }

    /// Where it is, in a few words and without a secret: `db.example.com/analytics`, `xy12345.eu-west-1/DEV`.
    pub fn summary(&self) -> String {
        let (place, inside) = match &self.target {
            Target::File(path) => return path.display().to_string(),
            Target::Server(server) => {
                let host = if server.host.contains(':') { format!("[{}]", server.host) } else { server.host.clone() };
                let place = if server.port == default_port(self.backend) { host } else { format!("{host}:{}", server.port) };
                (place, server.database.as_deref())
            }
            Target::Service => {
                let (place, inside) = match self.backend {
                    Backend::BigQuery => ("project", "dataset"),
                    Backend::Databricks => ("host", "catalog"),
                    _ => ("account", "database"),
                };
                (self.field(place).unwrap_or_default().to_owned(), self.field(inside))
            }
        };
        match inside {
            Some(inside) => format!("{place}/{inside}"),
            None => place,
        }
    }
}

/// `prod-pg (postgresql) db.example.com/analytics`, as the chooser shows it.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name} ")?;
        }
        write!(f, "({}) {}", self.backend.word(), self.summary())
    }
}

/// Whether a field holds a secret.
pub(crate) fn is_secret(field: &str) -> bool {
    matches!(field, "password" | "access_token" | "client_secret" | "token" | "private_key_passphrase")
}

/// The fields as they were given, and whom to name when one is wrong. Its errors name fields and never repeat a value.
struct Given<'a> {
    name: Option<&'a str>,
    backend: Backend,
    base: &'a Path,
    values: &'a [(String, Scalar)],
}

impl Given<'_> {
    fn wrong(&self, what: impl fmt::Display) -> Error {
        match self.name {
            Some(name) => Error::new(
                Code::ConfigInvalid,
                format!("profile `{name}` ({}): {what}", self.backend.word()),
                format!("correct the entry `{name}` under `db_profiles` in config.yml"),
            ),
            None => Error::new(Code::ConfigInvalid, format!("the {} URL: {what}", self.backend.word()), "correct the URL"),
        }
    }

    fn value(&self, field: &str) -> Option<&Scalar> {
        self.values
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, value)| value)
            .filter(|value| !matches!(value, Scalar::Text(text) if text.is_empty()))
    }

    /// Any value, as text to be shown.
    fn any(&self, field: &str) -> Option<String> {
        self.value(field).map(|value| match value {
            Scalar::Bool(value) => value.to_string(),
            Scalar::Int(value) => value.to_string(),
            Scalar::Text(text) => text.clone(),
        })
    }

    fn text(&self, field: &str) -> Result<Option<String>> {
        match self.value(field) {
            Some(Scalar::Bool(_)) => {
                Err(self.wrong(format_args!("`{field}` is a yes or no to YAML where text is needed; put it in quotes")))
            }
            _ => Ok(self.any(field)),
        }
    }

    fn needed(&self, field: &str) -> Result<String> {
        self.text(field)?.ok_or_else(|| self.wrong(format_args!("`{field}` is missing")))
    }

    fn flag(&self, field: &str) -> Result<Option<bool>> {
        match self.value(field) {
            None => Ok(None),
            Some(Scalar::Bool(value)) => Ok(Some(*value)),
            Some(Scalar::Text(text)) => truth(text).map(Some).ok_or(()),
            Some(Scalar::Int(value)) => match value {
                0 => Ok(Some(false)),
                1 => Ok(Some(true)),
                _ => Err(()),
            },
        }
        .map_err(|()| self.wrong(format_args!("`{field}` is neither yes nor no")))
    }

    /// The field of the one secret that the login takes.
    fn secret_field(&self) -> Result<Option<&'static str>> {
        match self.backend {
            Backend::Snowflake => {}
            // A service principal.
            Backend::Databricks if self.value("client_id").is_some() => return self.needed("client_secret").map(|_| Some("client_secret")),
            _ => return Ok(fields(self.backend).iter().copied().find(|field| is_secret(field))),
        }
        let key = self.value("private_key_path").is_some();
        match self.text("authenticator")?.unwrap_or_default().to_ascii_lowercase().as_str() {
            "oauth" => Ok(Some("token")),
            "" | "snowflake_jwt" if key => Ok(Some("private_key_passphrase")),
            "" | "snowflake" => Ok(Some("password")),
            "snowflake_jwt" => Err(self.wrong("`authenticator: snowflake_jwt` goes with `private_key_path`")),
            _ => Err(self.wrong("`authenticator` is none of snowflake (a password), snowflake_jwt (a private key), oauth (a token)")),
        }
    }

    /// Checks where a Snowflake account is reached, and puts it into words that a driver need not check again.
    fn snowflake(&self, shown: &mut BTreeMap<&'static str, String>) -> Result<()> {
        let account = self.needed("account")?;
        // It becomes a part of the host's name: https://docs.snowflake.com/en/user-guide/admin-account-identifier
        if !account.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return Err(self.wrong("`account` is no account identifier, such as myorg-account123 or xy12345.eu-west-1"));
        }
        let protocol = self.text("protocol")?.map(|word| word.to_ascii_lowercase());
        let host = match (self.text("host")?, &protocol) {
            // AMX's own default for every backend, which it takes for "none given" here.
            (Some(host), None) if self.name.is_some() && host == "localhost" => None,
            (host, _) => host.map(|host| self.host(&host)).transpose()?,
        };
        match protocol.as_deref() {
            None | Some("https") => {}
            Some("http") if host.as_deref().is_some_and(is_local) => {}
            Some("http") => return Err(self.wrong("`protocol` may be http for a `host` on this machine only")),
            Some(_) => return Err(self.wrong("`protocol` is neither https nor http")),
        }
        if self.value("port").is_some() {
            shown.insert("port", self.port()?.to_string());
        }
        shown.remove("host");
        shown.extend(host.map(|host| ("host", host)));
        shown.extend(protocol.map(|protocol| ("protocol", protocol)));
        if let Some(path) = self.text("private_key_path")? {
            shown.insert("private_key_path", expand(&path, self.base).to_string_lossy().into_owned());
        }
        Ok(())
    }

    fn server(&self) -> Result<Server> {
        // AMX takes `localhost` where a profile names no host.
        let host = self.host(&self.text("host")?.unwrap_or_else(|| "localhost".to_owned()))?;
        let database = match (self.text("database")?, self.backend) {
            (sid, Backend::Oracle) => match self.text("service_name")?.or(sid) {
                None => return Err(self.wrong("`service_name` (or `database`, the SID) is missing")),
                database => database,
            },
            // The database that every PostgreSQL has; libpq would take one named as the user, which seldom exists.
            (None, Backend::PostgreSql) => Some("postgres".to_owned()),
            (database, _) => database,
        };
        Ok(Server { port: self.port()?, user: self.text("user")?, database, tls: self.tls(&host)?, host })
    }

    /// The host, checked to be one: what a mistyped URL puts here may be part of a password.
    fn host(&self, text: &str) -> Result<String> {
        let host = text.trim();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let socket_folder = host.starts_with('/') && self.backend == Backend::PostgreSql;
        let plain =
            host.parse::<IpAddr>().is_ok() || !host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@:,?#\\".contains(c));
        match plain && !host.is_empty() || socket_folder {
            true => Ok(host.to_owned()),
            false => Err(self.wrong("`host` is neither one host's name nor an address")),
        }
    }

    fn port(&self) -> Result<u16> {
        let port = match self.value("port") {
            None => return Ok(default_port(self.backend)),
            Some(Scalar::Int(port)) => u16::try_from(*port).ok(),
            Some(Scalar::Text(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            Some(_) => None,
        };
        match port {
            // AMX's own default for every backend is 5432, which it takes for "none given" on all but PostgreSQL.
            Some(5432) if self.name.is_some() => Ok(default_port(self.backend)),
            Some(port) if port > 0 => Ok(port),
            _ => Err(self.wrong("`port` is not a number from 1 to 65535")),
        }
    }

    fn tls(&self, host: &str) -> Result<Tls> {
        let default = if is_local(host) { TlsMode::Prefer } else { TlsMode::VerifyFull };
        let explicit = match self.text("sslmode")? {
            None => None,
            Some(word) => Some(TlsMode::from_word(&word).ok_or_else(|| {
                self.wrong("`sslmode` is none of disable, allow, prefer, require, verify-ca, verify-full (MySQL: disabled, preferred, required, verify_ca, verify_identity)")
            })?),
        };
        match self.backend {
            Backend::PostgreSql | Backend::Redshift => self.tls_of_libpq(explicit, default),
            Backend::MySql => {
                let roots = self.text("ssl_ca")?.map(|path| expand(&path, self.base));
                let mode = match explicit {
                    // AMX writes `ssl_disabled: false` into every profile, so that only `true` says anything.
                    _ if self.flag("ssl_disabled")? == Some(true) => TlsMode::Disable,
                    Some(TlsMode::Allow) => return Err(self.wrong("`sslmode` has no `allow` on MySQL")),
                    Some(mode) => mode,
                    // As AMX's MySQL client has it: whoever names an authority wants the certificate checked.
                    None if roots.is_some() => TlsMode::VerifyFull,
                    None => default,
                };
                Ok(Tls { mode, roots })
            }
            Backend::SqlServer => {
                let trusting = self.flag("trust_server_certificate")? == Some(true);
                let mode = match self.flag("encrypt")? {
                    Some(false) => TlsMode::Disable,
                    _ if trusting => TlsMode::Require,
                    Some(true) => TlsMode::VerifyFull,
                    None => default,
                };
                Ok(Tls { mode, roots: None })
            }
            Backend::Oracle => {
                let roots = self.text("sslrootcert")?.map(|path| expand(&path, self.base));
                let mode = match explicit {
                    Some(mode @ (TlsMode::Disable | TlsMode::VerifyFull)) => mode,
                    // Its client checks a certificate in full, and a port of its server speaks TLS or does not.
                    Some(_) => return Err(self.wrong("`sslmode` on Oracle is `disable` or `verify-full`")),
                    None if roots.is_some() => TlsMode::VerifyFull,
                    None => default,
                };
                Ok(Tls { mode, roots })
            }
            _ => Ok(Tls { mode: default, roots: None }),
        }
    }

    /// `sslmode` and `sslrootcert` with libpq's own rules for how they act on each other.
    fn tls_of_libpq(&self, explicit: Option<TlsMode>, default: TlsMode) -> Result<Tls> {
        let roots = self.text("sslrootcert")?;
        if roots.as_deref() == Some("system") {
            return match explicit {
                None | Some(TlsMode::VerifyFull) => Ok(Tls { mode: TlsMode::VerifyFull, roots: None }),
                Some(_) => Err(self.wrong("`sslrootcert: system` goes with `sslmode: verify-full` only")),
            };
        }
        let roots = match (roots, explicit) {
            (Some(path), _) => Some(expand(&path, self.base)),
            // libpq's default file, which counts only where `sslmode` was given in words.
            (None, Some(_)) => std::env::home_dir().map(|home| home.join(".postgresql/root.crt")).filter(|path| path.is_file()),
            (None, None) => None,
        };
        let mode = match explicit {
            // For backwards compatibility libpq checks the chain under `require` too as soon as it has certificates.
            Some(TlsMode::Require) if roots.is_some() => TlsMode::VerifyCa,
            Some(mode) => mode,
            None => default,
        };
        Ok(Tls { mode, roots })
    }
}

/// Whether a connection to the host stays on this machine.
pub(crate) fn is_local(host: &str) -> bool {
    let name = host.trim_end_matches('.');
    host.starts_with('/')
        || name.eq_ignore_ascii_case("localhost")
        || match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => address.is_loopback(),
            Ok(IpAddr::V6(address)) => address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback()),
            Err(_) => false,
        }
}

/// A word for yes or no: YAML 1.1's, in any case.
pub(crate) fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn bad_url(what: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(Code::Usage, what, hint)
}

const URL_FORM: &str = "write it as postgresql://user@host:5432/db, mysql://user@host/db or sqlite:///path/to/shared.db";

/// The backend and the fields in a URL.
fn read_url(text: &str) -> Result<(Backend, Vec<(String, Scalar)>)> {
    let Some((scheme, rest)) = text.trim().split_once("://") else {
        return Err(bad_url("the URL has no `://`", URL_FORM));
    };
    // SQLAlchemy's `postgresql+psycopg2` names a driver after the backend.
    let word = scheme.split('+').next().unwrap_or(scheme).to_ascii_lowercase();
    let backend = Backend::from_word(&word).map_err(|error| match error.code {
        Code::StoreUnsupported => error,
        // What precedes `://` in a garbled URL may be anything, so it is not repeated.
        _ => bad_url("the URL names no backend that AMX knows", URL_FORM),
    })?;
    if rest.contains('#') {
        return Err(bad_url("the URL has a `#`", "write it as %23"));
    }
    let mut given = Vec::new();
    if backend == Backend::Sqlite {
        if rest.contains('?') {
            return Err(bad_url("a SQLite URL takes no parameters", "write a `?` in the path as %3F"));
        }
        given.push(("path".to_owned(), Scalar::Text(decode(rest)?)));
        return Ok((backend, given));
    }
    let url = url::Url::parse(&format!("amx://{rest}")).map_err(|error| {
        bad_url(
            format!("the {} URL cannot be read: {error}", backend.word()),
            "in user name and password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23",
        )
    })?;
    let place = match backend {
        Backend::Snowflake => "account",
        Backend::BigQuery => "project",
        _ => "host",
    };
    let inside = match backend {
        Backend::Oracle => "service_name",
        Backend::BigQuery => "dataset",
        Backend::Databricks => "catalog",
        _ => "database",
    };
    // Databricks' own clients write the user `token` before a token.
    let principal = backend == Backend::Databricks && !matches!(url.username(), "" | "token");
    let secret = match backend {
        Backend::Databricks if principal => "client_secret",
        Backend::Databricks => "access_token",
        _ => "password",
    };
    let known = fields(backend);
    let mut put = |field: &str, raw: &str| -> Result<()> {
        if !raw.is_empty() {
            given.push((field.to_owned(), Scalar::Text(decode(raw)?)));
        }
        Ok(())
    };
    // The URL's own places come first, and the first value of a field is the one that counts.
    match url.port() {
        Some(port) if backend == Backend::Databricks => put(place, &format!("{}:{port}", url.host_str().unwrap_or_default()))?,
        _ => put(place, url.host_str().unwrap_or_default())?,
    }
    if known.contains(&"user") {
        put("user", url.username())?;
    } else if principal {
        put("client_id", url.username())?;
    }
    if known.contains(&secret) {
        put(secret, url.password().unwrap_or_default())?;
    } else if url.password().is_some() {
        return Err(bad_url(format!("a {} URL takes no password", backend.word()), "give `credentials_path` as a parameter"));
    }
    match url.port() {
        Some(_) if backend == Backend::Databricks => {}
        Some(_) if backend == Backend::Snowflake => {
            return Err(bad_url("a snowflake URL takes no port behind the account", "give `host` and `port` as parameters"));
        }
        Some(_) if !known.contains(&"port") => {
            return Err(bad_url(format!("a {} URL takes no port", backend.word()), "leave the port out"));
        }
        Some(port) => put("port", &port.to_string())?,
        None => {}
    }
    let path = url.path().strip_prefix('/').unwrap_or_default();
    if path.contains('@') {
        // The rest of a password with a bare `/` in it ends up here.
        return Err(bad_url(format!("the path of the {} URL has a `@`", backend.word()), "write @ as %40, and / in a password as %2F"));
    }
    if path.trim_end_matches('/').contains('/') {
        return Err(bad_url(format!("the path of the {} URL has more than one part", backend.word()), "write a `/` within a name as %2F"));
    }
    put(inside, path.trim_end_matches('/'))?;
    for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = match decode(key)?.to_ascii_lowercase().replace('-', "_") {
            key if key == "ssl_mode" => "sslmode".to_owned(),
            key => key,
        };
        if !known.contains(&key.as_str()) {
            // A password with a bare `?` ends up here, so the parameter is not repeated.
            let others: Vec<&str> = known.iter().copied().filter(|field| !is_secret(field)).collect();
            return Err(bad_url(
                format!("the {} URL has a parameter that is not known", backend.word()),
                format!("it may have: {}", others.join(", ")),
            ));
        }
        put(&key, value)?;
    }
    Ok((backend, given))
}

fn decode(text: &str) -> Result<String> {
    match percent_encoding::percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(bad_url("the URL is not UTF-8 once its %-codes are read", "write a bare % as %25")),
    }
}

#[cfg(test)]
mod tests;
