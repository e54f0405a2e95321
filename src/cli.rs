//! The command line: global flags, the commands, and the one place where a command's outcome becomes an exit status.

use crate::commands::{self, Session};
use crate::error::{Code, Error, Result};
use crate::printer::{Printer, can_colour, restore_terminal};
use clap::{ArgAction, Parser, Subcommand};
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
    pub url: Option<String>,
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

#[derive(Debug, Subcommand)]
enum Command {
    DumpDdl(commands::dump_ddl::Args),
    Generate(commands::generate::Args),
    Migrate(commands::migrate::Args),
    Diff(commands::diff::Args),
    Inspect(commands::inspect::Args),
    Status(commands::status::Args),
    Enable(commands::enable::Args),
    Disable(commands::disable::Args),
    MigrateFromLocal(commands::migrate_from_local::Args),
    #[command(subcommand)]
    History(commands::history::Command),
    #[command(subcommand)]
    Profile(commands::profile::Command),
    #[command(subcommand)]
    Config(commands::config::Command),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
}

/// Reads the command line, runs the command, and says how it ended.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let printer = Printer { json: cli.global.json, quiet: cli.global.quiet, verbose: cli.global.verbose, yes: cli.global.yes };
    let ran = Session::new(cli.global, printer).and_then(|session| run(session, cli.command));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.code.exit())
        }
    }
}

fn run(session: Session, command: Option<Command>) -> Result<()> {
    match command {
        Some(Command::DumpDdl(args)) => commands::dump_ddl::run(&session, &args),
        Some(Command::Generate(args)) => commands::generate::run(&session, &args),
        Some(Command::Config(command)) => commands::config::run(&session, &command),
        Some(Command::Completions(args)) => commands::completions::run(&session, &args, &mut <Cli as clap::CommandFactory>::command()),
        Some(Command::Man(args)) => commands::man::run(&session, &args, <Cli as clap::CommandFactory>::command()),
        Some(Command::Migrate(args)) => on_runtime(async move { commands::migrate::run(&session, &args).await }),
        Some(Command::Diff(args)) => on_runtime(async move { commands::diff::run(&session, &args).await }),
        Some(Command::Inspect(args)) => on_runtime(async move { commands::inspect::run(&session, &args).await }),
        Some(Command::Status(args)) => on_runtime(async move { commands::status::run(&session, &args).await }),
        Some(Command::Enable(args)) => on_runtime(async move { commands::enable::run(&session, &args).await }),
        Some(Command::Disable(args)) => commands::disable::run(&session, &args),
        Some(Command::MigrateFromLocal(args)) => on_runtime(async move { commands::migrate_from_local::run(&session, &args).await }),
        Some(Command::History(command)) => on_runtime(async move { commands::history::run(&session, &command).await }),
        Some(Command::Profile(command)) => on_runtime(async move { commands::profile::run(&session, &command).await }),
        None => on_runtime(async move { commands::status::run(&session, &commands::status::Args::default()).await }),
    }
}

/// Runs a command that talks to a database. Ctrl-C and SIGTERM end it wherever it is: every step is atomic, and the next run goes on.
fn on_runtime(command: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
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
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => if pressed.is_err() { std::future::pending::<()>().await },
        _ = terminated => {}
    }
    Error::new(Code::Interrupted, "interrupted; what was done is kept", "run the same command again; it goes on from there")
}

/// clap's own words for help and version; its errors in our form.
fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand) {
        let text = error.render();
        Printer::default().data(&if can_colour() { text.ansi().to_string() } else { text.to_string() });
        return ExitCode::from(if error.use_stderr() { Code::Usage.exit() } else { 0 });
    }
    let rendered = error.render().to_string();
    let message = rendered.lines().next().unwrap_or_default().trim_start_matches("error: ").to_string();
    let tip = rendered.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    let hint = tip.map_or_else(|| "see `amx-schema --help`".to_string(), str::to_string);
    let json = std::env::args().any(|arg| arg == "--json");
    Printer { json, ..Printer::default() }.error(&Error::new(Code::Usage, message, hint));
    ExitCode::from(Code::Usage.exit())
}
