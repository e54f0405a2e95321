//! The command line: global flags, the commands, and the one place where a command's outcome becomes an exit status.

use crate::commands::{self, Session};
use crate::error::{Code, Error, Result};
use crate::printer::{Printer, can_colour, pager_is_open, restore_terminal};
use clap::parser::ValueSource;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};
use secrecy::SecretString;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

/// Migration-first schema manager for the AMX shared history store.
#[derive(Debug, Parser)]
#[command(name = "amx-schema", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Flags that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// Folder of config.yml and the local files (else AMX_CONFIG_DIR, else ~/.amx).
    #[arg(long, env = "AMX_HOME", global = true, value_name = "DIR", help_heading = "Global options")]
    pub home: Option<PathBuf>,
    /// Use this profile of config.yml.
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "url", help_heading = "Global options")]
    pub profile: Option<String>,
    /// Use this database instead of a profile, such as sqlite:///srv/shared.db.
    #[arg(long, env = "AMX_URL", hide_env_values = true, global = true, value_name = "URL", help_heading = "Global options")]
    pub url: Option<SecretString>,
    /// Schema of the store (else the enabled store's, else AMX).
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub schema: Option<String>,
    /// Write one JSON document to stdout.
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Answer every question yes.
    #[arg(long, short = 'y', global = true, help_heading = "Global options")]
    pub yes: bool,
    /// Leave out progress and remarks.
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// Say more, such as the statements of a migration.
    #[arg(long, short, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
}

impl Global {
    fn printer(&self) -> Printer {
        Printer { json: self.json, quiet: self.quiet, verbose: self.verbose, yes: self.yes, only: None }
    }

    /// These flags of a command that runs within the program, and for what they leave out the flags that the program was started with.
    /// `given` says whether a flag is the command's own; the environment had its say when the program started.
    fn within(self, outer: &Global, given: impl Fn(&str) -> bool) -> Global {
        let database = given("profile") || given("url");
        let url = if given("url") { self.url } else { None };
        let (profile, url) = if database { (self.profile, url) } else { (outer.profile.clone(), outer.url.clone()) };
        Global {
            home: if given("home") { self.home } else { outer.home.clone() },
            profile,
            url,
            schema: self.schema.or_else(|| outer.schema.clone()),
            json: self.json || outer.json,
            yes: self.yes || outer.yes,
            quiet: self.quiet || outer.quiet,
            verbose: self.verbose.max(outer.verbose),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    DumpDdl(commands::dump_ddl::Args),
    Generate(commands::generate::Args),
    Migrate(commands::migrate::Args),
    Diff(commands::diff::Args),
    Verify(commands::verify::Args),
    Inspect(commands::inspect::Args),
    Status(commands::status::Args),
    Enable(commands::enable::Args),
    Disable(commands::disable::Args),
    MigrateFromLocal(commands::migrate_from_local::Args),
    PullFromShared(commands::pull_from_shared::Args),
    FlushPending(commands::flush_pending::Args),
    Record(commands::record::Args),
    #[command(subcommand)]
    History(commands::history::Command),
    #[command(subcommand)]
    Session(commands::session::Command),
    #[command(subcommand)]
    Profile(commands::profile::Command),
    #[command(subcommand)]
    Config(commands::config::Command),
    Shell(commands::shell::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
}

/// Reads the command line, runs the command, and says how it ended.
pub fn main() -> ExitCode {
    crate::core_dumps::off();
    let ended = match Cli::try_parse() {
        Ok(cli) => finish(cli.global.printer(), Session::new(cli.global.clone(), cli.global.printer()), cli.command),
        Err(error) => usage(&error, Printer { json: std::env::args().any(|arg| arg == "--json"), ..Printer::default() }),
    };
    ExitCode::from(ended)
}

/// Runs a command from within the program, as words on the command line say it, and gives its exit status. An error is reported as always.
/// The session's flags hold where the words give none; only lines of data with `only` in them are written.
pub(crate) fn run_within(session: &Session, words: &[String], only: Option<&'static str>) -> u8 {
    let printer = Printer { json: session.global.json || words.iter().any(|word| word == "--json"), only, ..session.printer };
    let line = std::iter::once("amx-schema").chain(words.iter().map(String::as_str));
    let parsed = Cli::command().try_get_matches_from(line).and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error, printer),
    };
    let global = cli.global.within(&session.global, |flag| matches.value_source(flag) == Some(ValueSource::CommandLine));
    let printer = Printer { only, ..global.printer() };
    let inner = match cli.command {
        Some(Command::Shell(_)) => {
            Err(Error::new(Code::Usage, "this is the shell already", "give the command alone; /exit ends the shell"))
        }
        _ => Session::new(global, printer),
    };
    finish(printer, inner, cli.command)
}

/// Every command with its flags, as clap has them.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Runs a command, reports its error, and gives the exit status.
fn finish(printer: Printer, session: Result<Session>, command: Option<Command>) -> u8 {
    let ended = session.and_then(|session| match command {
        None if commands::picker::fits(&session) => pick(session),
        command => run(session, command).map(|()| 0),
    });
    ended.unwrap_or_else(|error| {
        printer.error(&error);
        error.code.exit()
    })
}

/// Asks what to do, and does it as if it had been typed.
fn pick(session: Session) -> Result<u8> {
    let again = Session::new(session.global.clone(), session.printer)?;
    let words = on_runtime(async move { commands::picker::run(&session).await })?;
    Ok(words.map_or(0, |words| run_within(&again, &words, again.printer.only)))
}

fn run(session: Session, command: Option<Command>) -> Result<()> {
    match command {
        Some(Command::DumpDdl(args)) => commands::dump_ddl::run(&session, &args),
        Some(Command::Generate(args)) => commands::generate::run(&session, &args),
        Some(Command::Config(command)) => commands::config::run(&session, &command),
        Some(Command::Completions(args)) => commands::completions::run(&session, &args, &mut Cli::command()),
        Some(Command::Man(args)) => commands::man::run(&session, &args, Cli::command()),
        Some(Command::Migrate(args)) => on_runtime(async move { commands::migrate::run(&session, &args).await }),
        Some(Command::Diff(args)) => on_runtime(async move { commands::diff::run(&session, &args).await }),
        Some(Command::Verify(args)) => on_runtime(async move { commands::verify::run(&session, &args).await }),
        Some(Command::Status(args)) => on_runtime(async move { commands::status::run(&session, &args).await }),
        Some(Command::Enable(args)) => on_runtime(async move { commands::enable::run(&session, &args).await }),
        Some(Command::Disable(args)) => on_runtime(async move { commands::disable::run(&session, &args) }),
        Some(Command::MigrateFromLocal(args)) => on_runtime(async move { commands::migrate_from_local::run(&session, &args).await }),
        Some(Command::PullFromShared(args)) => on_runtime(async move { commands::pull_from_shared::run(&session, &args).await }),
        Some(Command::FlushPending(args)) => on_runtime(async move { commands::flush_pending::run(&session, &args).await }),
        Some(Command::Record(args)) => on_runtime(async move { commands::record::run(&session, &args).await }),
        Some(Command::History(command)) => on_runtime(async move { commands::history::run(&session, &command).await }),
        Some(Command::Session(command)) => commands::session::run(&session, &command),
        Some(Command::Profile(command)) => on_runtime(async move { commands::profile::run(&session, &command).await }),
        Some(Command::Inspect(args)) => on_runtime(async move { commands::inspect::run(&session, &args).await }),
        Some(Command::Shell(args)) => commands::shell::run(&session, &args),
        None => on_runtime(async move { commands::status::run(&session, &commands::status::Args::default()).await }),
    }
}

/// Runs a command that talks to a database. Ctrl-C and SIGTERM end it wherever it is: every step is atomic, and the next run goes on.
fn on_runtime<T: Send + 'static>(command: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::io("starting the runtime", &error))?;
    let outcome = runtime.block_on(async {
        // A task of its own: the file calls of SQLite block, and the signal must be heard all the same.
        let running = tokio::spawn(command);
        tokio::select! {
            ended = running => ended.unwrap_or_else(|error| Err(Error::internal(format!("the command stopped: {error}")))),
            signal = interrupted() => {
                restore_terminal();
                Err(signal)
            }
        }
    });
    // What still runs is cut off; its transaction is rolled back by the engine.
    runtime.shutdown_background();
    outcome
}

async fn interrupted() -> Error {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    let pressed = async {
        while tokio::signal::ctrl_c().await.is_ok() {
            // While a pager has the terminal the key is the pager's, which may well go on.
            if !pager_is_open() {
                return;
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        () = pressed => {}
        _ = terminated => {}
    }
    Error::new(Code::Interrupted, "interrupted; what was done is kept", "run the same command again; it goes on from there")
}

/// clap's words without what may be a password in a misplaced URL or field: `postgresql://u:…`, `password=…`.
fn without_values(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue};
    let mut text = error.render().to_string();
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue] {
        if let Some(ContextValue::String(given)) = error.get(kind)
            && let Some((name, _)) = given.split_once('=').or_else(|| given.split_once("://"))
        {
            text = text.replace(given, &format!("{}…", name.split("://").next().unwrap_or(name)));
        }
    }
    text
}

/// clap's own words for help and version; its errors in our form. Gives the exit status.
fn usage(error: &clap::Error, printer: Printer) -> u8 {
    use clap::error::ErrorKind;
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand) {
        let text = error.render();
        printer.drawn(&if can_colour() { text.ansi().to_string() } else { text.to_string() });
        return if error.use_stderr() { Code::Usage.exit() } else { 0 };
    }
    printer.error(&wrong_call(error));
    Code::Usage.exit()
}

fn wrong_call(error: &clap::Error) -> Error {
    let rendered = without_values(error);
    let message = rendered.lines().next().unwrap_or_default().trim_start_matches("error: ").to_string();
    let tip = rendered.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    let hint = tip.map_or_else(|| "see `amx-schema --help`".to_string(), str::to_string);
    Error::new(Code::Usage, message, hint)
}
