//! `profile add` without a field, AMX's `/add-db-profile`: asks for each of them.

use super::Session;
use crate::config;
use crate::dialect::Backend;
use crate::driver::Access;
use crate::error::{Code, Error, Result};
use crate::profile::{Profile, Scalar, TlsMode, default_port, fields, is_secret};
use secrecy::ExposeSecret;

/// Fields that few need; who does adds them to config.yml or gives them with --set.
const RARE: [&str; 9] = [
    "encrypt",
    "endpoint",
    "trust_server_certificate",
    "ssl_disabled",
    "tls_trusted_ca_file",
    "private_key_passphrase",
    "authenticator",
    "token",
    "protocol",
];

pub(crate) async fn run(session: &Session, name: Option<&str>) -> Result<()> {
    let printer = session.printer;
    if !printer.is_interactive() {
        return Err(Error::new(
            Code::Usage,
            "a new profile takes its NAME and --backend or --from-url where there is no terminal to ask on",
            "give all of it: profile add NAME --backend postgresql --set host=db.example.com",
        ));
    }
    let names: Vec<String> = session.config()?.profiles().into_iter().map(|(name, _)| name).collect();
    let free = |name: &str| match name {
        "" => Err(wrong("a profile needs a name")),
        name if names.iter().any(|known| known == name) => Err(wrong(&format!("there is a profile `{name}` already"))),
        _ => Ok(()),
    };
    name.map_or(Ok(()), free)?;
    let Some(backend) = choose_backend(session)? else {
        printer.talk("Nothing was changed.");
        return Ok(());
    };
    let mut given: Vec<(String, Scalar)> = vec![];
    let rare = |field: &str| RARE.contains(&field) || backend == Backend::Snowflake && matches!(field, "host" | "port");
    for field in fields(backend).iter().filter(|field| !rare(field)) {
        if let Some(value) = ask(session, backend, field)? {
            given.push(((*field).to_string(), value));
        }
    }
    let name = match name {
        Some(name) => name.to_owned(),
        None => {
            let suggested = if names.iter().any(|name| name == "default") { "" } else { "default" };
            printer.ask("Profile name", suggested, true, free)?
        }
    };
    let profile = config::add_profile(&session.home, &name, backend, &given)?;
    if profile.has_plain_secret() {
        printer.warn("the password is in plain text in config.yml; `env://NAME` or `file://PATH` in its place keeps it elsewhere");
    }
    printer.data(&format!("✓ Profile {profile} added.\n"));
    if printer.confirm("Test the connection now?")? {
        test(session, &profile).await?;
    }
    Ok(())
}

fn choose_backend(session: &Session) -> Result<Option<Backend>> {
    let words = Backend::ALL.map(Backend::word);
    Ok(session.printer.choose("Database backend", &words, 0)?.and_then(|index| Backend::ALL.get(index).copied()))
}

/// A field's value; none where just Enter was pressed.
fn ask(session: &Session, backend: Backend, field: &str) -> Result<Option<Scalar>> {
    let printer = session.printer;
    if is_secret(field) {
        let secret = printer.ask_secret(&label(backend, field))?;
        return Ok(secret.map(|secret| Scalar::from(secret.expose_secret())));
    }
    if field == "port" {
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let good = |text: &str| port(text).map(drop).ok_or_else(|| wrong("a port is a number from 1 to 65535"));
        let given = printer.ask("Port", &default_port(backend).to_string(), true, good)?;
        return Ok(port(&given).map(|port| Scalar::from(i64::from(port))));
    }
    if field == "sslmode" {
        return choose_tls(session, backend);
    }
    let needed = matches!(field, "host" | "path" | "account" | "project" | "http_path") || backend == Backend::Snowflake && field == "user";
    let good = |text: &str| match needed && text.trim().is_empty() {
        true => Err(wrong("this is needed")),
        false => Ok(()),
    };
    let given = printer.ask(&label(backend, field), "", false, good)?;
    let given = given.trim();
    Ok((!given.is_empty()).then(|| Scalar::from(given)))
}

/// Checked where it is chosen: a wrong word would be refused only once everything else was answered.
fn choose_tls(session: &Session, backend: Backend) -> Result<Option<Scalar>> {
    let modes = match backend {
        Backend::Oracle => vec![TlsMode::VerifyFull, TlsMode::Disable],
        _ => vec![TlsMode::VerifyFull, TlsMode::VerifyCa, TlsMode::Require, TlsMode::Prefer, TlsMode::Allow, TlsMode::Disable],
    };
    let usual = "as usual: verify-full, unless the host is this machine";
    let words: Vec<&str> = [usual].into_iter().chain(modes.iter().map(|mode| mode.word())).collect();
    let chosen = session.printer.choose("TLS mode", &words, 0)?;
    Ok(chosen.and_then(|index| index.checked_sub(1)).and_then(|index| modes.get(index)).map(|mode| Scalar::from(mode.word())))
}

/// The question for a field.
fn label(backend: Backend, field: &str) -> String {
    let label = match (backend, field) {
        (Backend::Databricks, "host") => "Workspace host (e.g. dbc-a1b2345c-d6e7.cloud.databricks.com)",
        (_, "host") => "Database host (e.g. db.example.com)",
        (_, "user") => "User",
        (_, "password") => "Password",
        (_, "access_token") => "Access token (Enter: a service principal's secret instead)",
        (_, "client_id") => "Client id of the service principal (only without an access token)",
        (_, "client_secret") => "Secret of the service principal",
        (Backend::Oracle, "database") => "SID (only without a service name)",
        (_, "database") => "Database",
        (_, "service_name") => "Service name",
        (_, "sslrootcert" | "ssl_ca") => "File of the authority's certificates (Enter: the operating system's)",
        (_, "account") => "Account (e.g. xy12345.eu-west-1)",
        (_, "private_key_path") => "File of the private key",
        (_, "warehouse") => "Warehouse",
        (_, "role") => "Role",
        (_, "project") => "Project",
        (_, "dataset") => "Dataset",
        (_, "credentials_path") => "File of the credentials",
        (_, "location") => "Location (e.g. EU)",
        (_, "http_path") => "HTTP path of the SQL warehouse",
        (_, "catalog") => "Catalog",
        (_, "path") => "File (e.g. /srv/shared.db)",
        (_, other) => other,
    };
    label.to_owned()
}

async fn test(session: &Session, profile: &Profile) -> Result<()> {
    let config = session.config()?;
    let target = session.target_at(&config, profile.clone(), true)?;
    let driver = session.connect(&target, Access::Read).await?;
    driver.close().await;
    session.printer.data(&format!("✓ {profile} answers.\n"));
    Ok(())
}

fn wrong(what: &str) -> Error {
    Error::new(Code::Usage, what, "give another")
}
