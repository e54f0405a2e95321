//! The behaviour of `profile`.

use super::*;
use secrecy::ExposeSecret;

fn url(text: &str) -> Profile {
    Profile::from_url(text).unwrap()
}

fn server(text: &str) -> Server {
    server_of(&url(text))
}

fn server_of(profile: &Profile) -> Server {
    match &profile.target {
        Target::Server(server) => server.clone(),
        other => panic!("no server: {other:?}"),
    }
}

fn plain(profile: &Profile) -> String {
    match &profile.secret {
        Some(SecretRef::Plain(secret)) => secret.expose_secret().to_owned(),
        other => panic!("no plain secret: {other:?}"),
    }
}

fn named(backend: Backend, given: &[(&str, Scalar)]) -> Result<Profile> {
    let given: Vec<(String, Scalar)> = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Profile::from_fields(Some("p"), backend, &given, Path::new("/home/ann/.amx"))
}

fn mode(text: &str) -> TlsMode {
    server(text).tls.mode
}

#[test]
fn a_postgresql_url_is_read_in_full() {
    let profile = url("postgresql://ann:p%40ss%2Fw%23@db.example.com:6432/ana%20lytics?sslmode=require&sslrootcert=/etc/ca.pem");
    let server = server_of(&profile);
    assert_eq!((server.host.as_str(), server.port), ("db.example.com", 6432));
    assert_eq!((server.user.as_deref(), server.database.as_deref()), (Some("ann"), Some("ana lytics")));
    assert_eq!(server.tls, Tls { mode: TlsMode::VerifyCa, roots: Some("/etc/ca.pem".into()) });
    assert_eq!(plain(&profile), "p@ss/w#");
    assert_eq!(profile.name, None);
}

#[test]
fn each_backend_has_its_default_port() {
    for (text, port) in
        [("pg://h/d", 5432), ("mariadb://h/d", 3306), ("mssql://h/d", 1433), ("oracle://u@h/s", 1521), ("redshift://h/d", 5439)]
    {
        assert_eq!(server(text).port, port, "{text}");
    }
}

#[test]
fn cloud_urls_fill_their_own_fields() {
    let snowflake = url("snowflake://bob:pw@xy12345.eu-west-1/DEV?warehouse=W&role=R");
    assert_eq!((snowflake.field("warehouse"), snowflake.field("role"), snowflake.field("user")), (Some("W"), Some("R"), Some("bob")));
    assert_eq!(snowflake.summary(), "xy12345.eu-west-1/DEV");
    let bigquery = url("bigquery://my-project/ds?location=EU");
    assert_eq!((bigquery.summary().as_str(), bigquery.field("location")), ("my-project/ds", Some("EU")));
    let databricks = url("databricks://token:dapi1@dbc-1.cloud.databricks.com/main?http_path=/sql/1.0/warehouses/abc");
    assert_eq!(
        (databricks.summary().as_str(), databricks.field("http_path")),
        ("dbc-1.cloud.databricks.com/main", Some("/sql/1.0/warehouses/abc"))
    );
    assert_eq!(plain(&databricks), "dapi1");
    assert_eq!(databricks.field("access_token"), None);
    assert_eq!(server("oracle://u@h:1522/svc.example").database.as_deref(), Some("svc.example"));
}

#[test]
fn a_snowflake_login_takes_one_secret() {
    let account = [("account", Scalar::from("a")), ("user", "u".into()), ("password", "pw".into()), ("token", "tok".into())];
    let with = |more: &[(&str, Scalar)]| named(Backend::Snowflake, &[&account, more].concat());
    let key = ("private_key_path", Scalar::from("key.p8"));
    for (more, field, secret) in [
        (vec![], "password", Some("pw")),
        (vec![("authenticator", "Snowflake".into())], "password", Some("pw")),
        (vec![("authenticator", "oauth".into())], "token", Some("tok")),
        (vec![key.clone()], "private_key_passphrase", None),
        (vec![key.clone(), ("private_key_passphrase", "pp".into())], "private_key_passphrase", Some("pp")),
        (vec![key.clone(), ("authenticator", "snowflake_jwt".into())], "private_key_passphrase", None),
        (vec![key.clone(), ("authenticator", "snowflake".into())], "password", Some("pw")),
    ] {
        let profile = with(&more).unwrap();
        assert_eq!(profile.secret_field(), Some(field));
        assert_eq!(profile.secret.is_some().then(|| plain(&profile)).as_deref(), secret);
        assert_eq!(profile.field("token").or(profile.field("password")).or(profile.field("private_key_passphrase")), None);
    }
    assert_eq!(with(&[key]).unwrap().field("private_key_path"), Some("/home/ann/.amx/key.p8"));
    for authenticator in ["okta", "snowflake_jwt", "externalbrowser"] {
        assert_eq!(with(&[("authenticator", authenticator.into())]).unwrap_err().code, Code::ConfigInvalid);
    }
}

#[test]
fn a_snowflake_account_is_reached_where_the_profile_says() {
    let with =
        |more: &[(&str, Scalar)]| named(Backend::Snowflake, &[&[("account", Scalar::from("a")), ("user", "u".into())], more].concat());
    let private = with(&[("host", "a.privatelink.example.com".into()), ("port", 8443.into())]).unwrap();
    assert_eq!((private.field("host"), private.field("port")), (Some("a.privatelink.example.com"), Some("8443")));
    let here = url("snowflake://u:pw@a/D?host=127.0.0.1&port=8080&protocol=HTTP");
    assert_eq!((here.field("host"), here.field("port"), here.field("protocol")), (Some("127.0.0.1"), Some("8080"), Some("http")));
    // What AMX writes into every profile is no place.
    let amx = with(&[("host", "localhost".into()), ("port", 5432.into())]).unwrap();
    assert_eq!((amx.field("host"), amx.field("port")), (None, Some("443")));
    for (more, field) in [
        (vec![("protocol", Scalar::from("http"))], "protocol"),
        (vec![("protocol", "http".into()), ("host", "a.example.com".into())], "protocol"),
        (vec![("protocol", "ftp".into())], "protocol"),
        (vec![("host", "u:hunter2@h".into())], "host"),
        (vec![("port", 0.into())], "port"),
    ] {
        let error = with(&more).unwrap_err();
        assert!(error.message.contains(&format!("`{field}`")) && !error.to_string().contains("hunter2"), "{error}");
    }
    let evil = named(Backend::Snowflake, &[("account", "evil.example.com/x?".into()), ("user", "u".into())]).unwrap_err();
    assert!(evil.message.contains("`account`"), "{evil}");
}

#[test]
fn a_databricks_url_may_name_a_service_principal_and_a_port() {
    let principal = url("databricks://client-1:hunter2@dbc-1.cloud.databricks.com/main?http_path=/x");
    assert_eq!((principal.field("client_id"), principal.secret_field()), (Some("client-1"), Some("client_secret")));
    assert_eq!((plain(&principal).as_str(), principal.field("client_secret")), ("hunter2", None));
    assert!(!format!("{principal:?}").contains("hunter2"));
    assert!(principal.to_fields().iter().any(|(field, _)| field == "client_secret"));
    for (text, host) in [("127.0.0.1:8443", "127.0.0.1:8443"), ("[::1]:8443", "[::1]:8443"), ("localhost", "localhost")] {
        let url = url(&format!("databricks://:dapi1@{text}/main?http_path=/x"));
        assert_eq!((url.field("host"), plain(&url).as_str(), url.secret_field()), (Some(host), "dapi1", Some("access_token")));
    }
    assert!(Profile::from_url("databricks://client-1@h/main?http_path=/x").is_err());
}

#[test]
fn a_sqlite_url_holds_a_path() {
    for (text, path) in [("sqlite:///a/b%20c.db", "/a/b c.db"), ("sqlite://shared.db", "shared.db"), ("sqlite://./x/y.db", "./x/y.db")] {
        assert_eq!(url(text).target, Target::File(path.into()));
    }
    let home = std::env::home_dir().unwrap();
    assert_eq!(url("sqlite://~/s.db").target, Target::File(home.join("s.db")));
    assert_eq!(Profile::from_url("sqlite://").unwrap_err().code, Code::Usage);
}

#[test]
fn hosts_may_be_ipv6_or_a_socket_folder() {
    assert_eq!(server("postgresql://u@[::1]:5433/d").host, "::1");
    assert_eq!(url("postgresql://u@[::1]:5433/d").summary(), "[::1]:5433/d");
    assert_eq!(server("postgresql:///d?host=/run/postgresql").host, "/run/postgresql");
    assert_eq!(server("postgresql:///d").host, "localhost");
}

#[test]
fn no_url_error_repeats_the_password() {
    for text in [
        "postgresql://u:hunter2@host:99999/d",
        "postgresql://u:hunter2@host:port/d",
        "postgresql://u:hunter2@/d",
        "postgresql://u:hunter2@host/d?sslmode=sometimes",
        "postgresql://u:hunter2@host/a/b",
        "postgresql://u:hunter2@host/d#x",
        "postgresql://u:hunter2@ho st/d",
        "postgresql://u:hunter2@host/%ff",
        "postgresql://u:hunter2#x@host/d",
        "postgresql://u:12?hunter2@host/d",
        "postgresql://u:12/hunter2@host/d",
        "postgresql://u:hunter2/x@host/d",
        "postgresql://u:12/hunter2@host",
        "postgresql://u:a@hunter2,b@host,c/d",
        "postgresql://u@host/d?passwrd=hunter2",
        "postgresql://u@host/d?hunter2",
        "hunter2://u@host/d",
        "u:hunter2@host/d",
        "hunter2",
        "clickhouse://u:hunter2@h/d",
        "duckdb://u:hunter2@h/d",
        "bigquery://u:hunter2@project",
        "snowflake://u:hunter2@acc:80/db",
        "oracle://u:hunter2@host",
        "sqlite:///x?password=hunter2",
    ] {
        let error = Profile::from_url(text).expect_err(text);
        assert!(!format!("{error}{error:?}").contains("hunter2"), "{text}: {error}");
    }
}

#[test]
fn a_backend_without_row_updates_is_refused_by_its_own_code() {
    for text in ["clickhouse://h/d", "duckdb:///x.duckdb"] {
        assert_eq!(Profile::from_url(text).unwrap_err().code, Code::StoreUnsupported);
    }
}

#[test]
fn neither_debug_nor_display_nor_summary_shows_the_secret() {
    for text in [
        "postgresql://u:hunter2@h/d",
        "databricks://token:hunter2@h/c?http_path=/x",
        "snowflake://u:hunter2@a/d",
        "snowflake://u@a/d?authenticator=oauth&token=hunter2",
        "snowflake://u@a/d?private_key_path=/k.p8&private_key_passphrase=hunter2",
        "mysql://u@h/d?password=hunter2",
    ] {
        let profile = url(text);
        assert_eq!(plain(&profile), "hunter2");
        assert!(!format!("{profile:?}{profile:#?}{profile}{}", profile.summary()).contains("hunter2"));
    }
}

#[test]
fn a_host_that_is_not_local_is_verified_in_full() {
    for text in [
        "postgresql://h/d",
        "mysql://h/d",
        "redshift://h/d",
        "sqlserver://h/d",
        "postgresql://192.168.1.2/d",
        "postgresql://localhost.example.com/d",
    ] {
        assert_eq!(server(text).tls, Tls { mode: TlsMode::VerifyFull, roots: None }, "{text}");
    }
}

#[test]
fn a_local_host_takes_tls_where_it_is_to_be_had() {
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", ""] {
        assert_eq!(mode(&format!("postgresql://{host}/d")), TlsMode::Prefer, "{host}");
        assert_eq!(mode(&format!("mysql://{host}/d")), TlsMode::Prefer, "{host}");
    }
}

#[test]
fn sslmode_means_what_libpq_means_by_it() {
    for word in ["disable", "allow", "prefer", "verify-ca", "verify-full"] {
        assert_eq!(mode(&format!("postgresql://h/d?sslmode={word}")).word(), word);
        assert_eq!(mode(&format!("postgresql://localhost/d?sslmode={word}")).word(), word);
    }
    assert_eq!(mode("postgresql://h/d?sslmode=require&sslrootcert=/ca"), TlsMode::VerifyCa);
    assert_eq!(server("postgresql://localhost/d?sslrootcert=system").tls, Tls { mode: TlsMode::VerifyFull, roots: None });
    assert!(Profile::from_url("postgresql://h/d?sslmode=require&sslrootcert=system").is_err());
}

#[test]
fn mysql_has_its_own_words() {
    assert_eq!(mode("mysql://h/d?ssl-mode=REQUIRED"), TlsMode::Require);
    assert_eq!(mode("mysql://h/d?ssl-mode=VERIFY_IDENTITY"), TlsMode::VerifyFull);
    assert_eq!(mode("mysql://h/d?ssl_disabled=true"), TlsMode::Disable);
    assert_eq!(server("mysql://localhost/d?ssl-ca=/ca.pem").tls, Tls { mode: TlsMode::VerifyFull, roots: Some("/ca.pem".into()) });
    assert!(Profile::from_url("mysql://h/d?sslmode=allow").is_err());
    let written_by_amx = named(Backend::MySql, &[("host", "h".into()), ("ssl_disabled", false.into()), ("ssl_ca", "".into())]).unwrap();
    assert_eq!(server_of(&written_by_amx).tls.mode, TlsMode::VerifyFull);
}

#[test]
fn sql_server_has_its_own_fields() {
    assert_eq!(mode("sqlserver://h/d?encrypt=no"), TlsMode::Disable);
    assert_eq!(mode("sqlserver://h/d?encrypt=yes&trust_server_certificate=yes"), TlsMode::Require);
    assert_eq!(mode("sqlserver://localhost/d?encrypt=yes"), TlsMode::VerifyFull);
}

#[test]
fn a_wrong_field_is_named_and_not_repeated() {
    for (backend, given, field) in [
        (Backend::PostgreSql, ("port", Scalar::from("hunter2")), "port"),
        (Backend::PostgreSql, ("port", Scalar::from(70_000)), "port"),
        (Backend::PostgreSql, ("port", Scalar::from(0)), "port"),
        (Backend::PostgreSql, ("port", Scalar::from("+1")), "port"),
        (Backend::PostgreSql, ("password", Scalar::from(true)), "password"),
        (Backend::PostgreSql, ("sslmode", Scalar::from("hunter2")), "sslmode"),
        (Backend::PostgreSql, ("host", Scalar::from("u:hunter2@h")), "host"),
        (Backend::MySql, ("ssl_disabled", Scalar::from("hunter2")), "ssl_disabled"),
        (Backend::Oracle, ("host", Scalar::from("h")), "service_name"),
        (Backend::Snowflake, ("user", Scalar::from("u")), "account"),
        (Backend::BigQuery, ("dataset", Scalar::from("d")), "project"),
        (Backend::Databricks, ("host", Scalar::from("h")), "http_path"),
        (Backend::Sqlite, ("path", Scalar::from("")), "path"),
    ] {
        let error = named(backend, &[given]).unwrap_err();
        assert_eq!(error.code, Code::ConfigInvalid);
        assert!(error.message.contains(&format!("`{field}`")) && error.message.contains("`p`"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn paths_in_config_are_seen_from_the_home_folder() {
    let profile = named(Backend::Sqlite, &[("path", "shared.db".into())]).unwrap();
    assert_eq!(profile.target, Target::File("/home/ann/.amx/shared.db".into()));
    let profile = named(Backend::PostgreSql, &[("host", "h".into()), ("sslrootcert", "ca.pem".into())]).unwrap();
    assert_eq!(server_of(&profile).tls.roots, Some("/home/ann/.amx/ca.pem".into()));
}

#[test]
fn amxs_placeholder_port_is_no_port_but_on_postgresql() {
    for (backend, port) in [(Backend::MySql, 3306), (Backend::Redshift, 5439), (Backend::PostgreSql, 5432)] {
        assert_eq!(server_of(&named(backend, &[("port", 5432.into())]).unwrap()).port, port);
    }
    assert_eq!(server("redshift://h:5432/d").port, 5432, "a URL says what it means");
}

#[test]
fn the_summary_is_that_of_the_chooser() {
    let profile =
        named(Backend::PostgreSql, &[("host", "db-prod.eu-west-1.rds.amazonaws.com".into()), ("database", "analytics".into())]).unwrap();
    assert_eq!(profile.to_string(), "p (postgresql) db-prod.eu-west-1.rds.amazonaws.com/analytics");
    assert_eq!(named(Backend::PostgreSql, &[]).unwrap().summary(), "localhost/postgres");
    assert_eq!(named(Backend::MySql, &[]).unwrap().summary(), "localhost");
    let pasted = named(Backend::Databricks, &[("host", "https://dbc-1.cloud.databricks.com/".into()), ("http_path", "/x".into())]).unwrap();
    assert_eq!(pasted.summary(), "dbc-1.cloud.databricks.com");
}
