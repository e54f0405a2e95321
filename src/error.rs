//! What can go wrong: a stable code, one clear sentence, a hint, and the exit status that follows from the code.

use std::fmt;

/// A result whose error is shown to the user as it is.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Declares [`Code`] with its word and exit status, so that neither can be forgotten.
macro_rules! codes {
    ($($variant:ident $word:literal $exit:literal $doc:literal;)+) => {
        /// The stable word for one kind of failure. Scripts match on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $doc] $variant,)+ }

        impl Code {
            /// Every code, in the order of its exit status.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// The word that is printed: `error[WORD]: …`.
            pub fn word(self) -> &'static str {
                match self { $(Code::$variant => $word,)+ }
            }

            /// The exit status of a command that ends with this code.
            pub fn exit(self) -> u8 {
                match self { $(Code::$variant => $exit,)+ }
            }
        }
    };
}

codes! {
    RowsFailed "rows_failed" 1 "Some rows could not be stored; all the others were.";
    Conflict "conflict" 1 "A run id is taken by another owner's run with other content.";
    FlushIncomplete "flush_incomplete" 1 "Some queued writes are still queued.";
    StatementFailed "statement_failed" 1 "The database refused a statement.";
    Io "io" 1 "A file could not be read or written.";
    Internal "internal" 1 "A stated invariant did not hold; a defect of this program.";
    Usage "usage" 2 "The command line is wrong.";
    ConfigInvalid "config_invalid" 2 "config.yml, or a profile in it, is wrong.";
    ProfileUnknown "profile_unknown" 2 "No profile has that name.";
    IdentifierInvalid "identifier_invalid" 2 "A schema name that no engine should be given.";
    SchemaCase "schema_case" 2 "The schema exists in another case on an engine where case counts.";
    StoreMissing "store_missing" 2 "There is no shared store where the command looked.";
    RunUnknown "run_unknown" 2 "No run has that id.";
    SessionUnknown "session_unknown" 2 "No session has that id.";
    SessionProfileMismatch "session_profile_mismatch" 2 "The session belongs to another profile.";
    StateInvalid "state_invalid" 2 "A run's state cannot go that way.";
    BadRecord "bad_record" 2 "A line given to `record` is not an operation.";
    LocalStoreCorrupt "local_store_corrupt" 2 "A local file is damaged, or not the file it should be.";
    ConfirmationRequired "confirmation_required" 2 "A question could not be asked and `--yes` was not given.";
    ModelInfeasible "model_infeasible" 2 "The model asks for what an engine cannot do.";
    Destructive "destructive" 2 "A change would lose data and was not allowed to.";
    NotReversible "not_reversible" 2 "A version cannot be undone without losing data.";
    SecretUnavailable "secret_unavailable" 2 "A secret's reference could not be resolved.";
    PendingMigrations "pending_migrations" 3 "The store lacks versions that this build has.";
    Drift "drift" 3 "The live store differs from the model.";
    ModelOutOfSync "model_out_of_sync" 3 "The committed migrations do not say what the model says.";
    ChecksumMismatch "checksum_mismatch" 3 "A migration is not what it was when it was released or applied.";
    StoreNewer "store_newer" 3 "The store has versions that this build does not know.";
    Duplicates "duplicates" 3 "The store holds rows twice.";
    StoreUnsupported "external_history_store_unsupported" 4 "The backend cannot host a shared store.";
    BackendNotBuilt "backend_not_built" 4 "This build has no driver for the backend.";
    Unreachable "unreachable" 5 "The database did not answer, or the line broke.";
    AuthFailed "auth_failed" 5 "The database refused the login.";
    TlsFailed "tls_failed" 5 "No secure connection could be made.";
    PermissionDenied "permission_denied" 6 "The database user lacks a privilege.";
    Locked "locked" 7 "Another process held a lock for too long.";
    Interrupted "interrupted" 130 "Ctrl-C or SIGTERM; the same command goes on from there.";
}

/// A failure as the user sees it: a [`Code`], a sentence, and what to do next.
///
/// Neither sentence nor hint may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The stable word, from which the exit status follows.
    pub code: Code,
    /// What happened, in one sentence without a closing stop.
    pub message: String,
    /// What to do next.
    pub hint: String,
}

impl Error {
    /// An error with its sentence and its hint.
    pub fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Error { code, message: message.into(), hint: hint.into() }
    }

    /// A broken invariant: says what was believed, so that a report is useful.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(Code::Internal, message, "this is a defect of amx-schema; please report it with the command that was run")
    }

    /// A file operation that the operating system refused.
    pub fn io(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "check the owner and the mode of the file and of its folder",
            std::io::ErrorKind::StorageFull => "make room on that disk, then run the same command again",
            std::io::ErrorKind::NotFound => "check the path",
            _ => "put right what the system reports, then run the same command again",
        };
        Error::new(Code::Io, format!("{doing}: {error}"), hint)
    }

    /// The same error with another hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}\nhint: {}", self.code.word(), self.message, self.hint)
    }
}

impl std::error::Error for Error {}
