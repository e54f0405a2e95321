//! The `amx-schema` program.

fn main() -> std::process::ExitCode {
    amx_schema::cli::main()
}
