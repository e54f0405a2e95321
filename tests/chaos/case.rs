//! What is tried: a command, a fault, and where in the command the fault strikes.

use crate::common::chance::Chance;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A row of words, each a value of an enum.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$of])* $variant,)+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }
    };
}

words! {
    /// The server that a case runs on.
    Place {
        Sqlite "sqlite",
        Postgresql "postgresql",
        Mariadb "mariadb",
        /// A PostgreSQL that nothing else uses, with the tests' one as its standby.
        OwnPostgresql "own-postgresql",
        /// Likewise.
        OwnMariadb "own-mariadb",
    }
}

words! {
    /// A command.
    Verb {
        Enable "enable",
        Migrate "migrate",
        DumpDdl "dump-ddl",
        Import "migrate-from-local",
        Record "record",
        Flush "flush-pending",
        Pull "pull-from-shared",
        Sync "history sync",
        List "history list",
        Show "history show",
        Verify "verify",
        Disable "disable",
        Diff "diff",
        Status "status",
        ProfileAdd "profile add",
    }
}

words! {
    /// What befalls it.
    Fault {
        /// SIGKILL at one of its system calls that write.
        Killed "kill",
        /// SIGINT there.
        Interrupted "int",
        /// SIGTERM there.
        Terminated "term",
        /// Nobody reads stdout any more.
        StdoutClosed "stdout",
        /// From one of its writes on, the disk is full.
        DiskFull "disk",
        /// It may not write to its home folder.
        HomeReadOnly "readonly",
        /// The line breaks at one of its messages.
        LineCut "cut",
        /// The line breaks when one of its messages is answered.
        AnswerLost "lost",
        /// The line breaks when a COMMIT is answered.
        CommitLost "commit",
        /// No answer comes until all of its patience is used up.
        AnswersHeld "held",
        /// The server ends its sessions, as it does with those that are idle.
        SessionsEnded "ended",
        /// The server crashes and starts again.
        Restarted "restart",
        /// Another server with an older copy takes over.
        FailedOver "failover",
        /// For a while another server answers, which has no store.
        WrongServer "wrong",
        /// The clock was set back.
        ClockBack "clock",
        /// Two, four or sixteen processes of it and another command at once.
        Together "together",
        /// A local file ends early.
        FileCut "file-cut",
        /// Bytes of a local file are others.
        FileFlipped "flipped",
        /// A local file is another program's.
        FileForeign "foreign",
    }
}

/// The commands that run beside one another.
pub const TOGETHER: [Verb; 8] =
    [Verb::Enable, Verb::Migrate, Verb::Import, Verb::Record, Verb::Flush, Verb::Pull, Verb::List, Verb::Verify];

/// More points than anybody runs.
const POINTS: usize = 1000;

/// One case. What it does follows from it and the seed alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    pub place: Place,
    pub verb: Verb,
    pub fault: Fault,
    pub point: usize,
}

impl Case {
    pub fn name(&self) -> String {
        format!("{}/{}/{}/{}", self.place.word(), self.verb.word().replace(' ', "-"), self.fault.word(), self.point)
    }

    /// Numbers of its own.
    pub fn chance(&self, seed: u64) -> Chance {
        Chance::of(xxh3_64_with_seed(self.name().as_bytes(), seed))
    }

    /// Where in the command it strikes, from 0 to 1. The points of a command and a fault lie far from one another, however many there are.
    pub fn position(&self, seed: u64) -> f64 {
        let first = Case { point: 0, ..*self }.chance(seed).part();
        (first + self.point as f64 * 0.618_033_988_749_895).fract().min(0.999_999)
    }

    /// The command beside which it runs, how many processes there are of both, and whether all are in one home.
    pub fn beside(&self) -> (Verb, usize, bool) {
        let (other, round) = (self.point % TOGETHER.len(), self.point / TOGETHER.len());
        let first = TOGETHER.iter().position(|verb| *verb == self.verb).unwrap_or(0);
        (TOGETHER[other], [2, 4, 16][(first + other + round) % 3], (other + round).is_multiple_of(2))
    }

    /// How many points there are to strike at, where they can be counted.
    fn points(&self) -> usize {
        match self.fault {
            Fault::HomeReadOnly => 1,
            Fault::AnswersHeld => 4,
            Fault::ClockBack | Fault::StdoutClosed => 4,
            Fault::Together => TOGETHER.len() * 3 * 2,
            _ => POINTS,
        }
    }

    /// Whether the fault can befall the command there.
    fn is_possible(&self) -> bool {
        let asks_the_store = ![Verb::DumpDdl, Verb::Disable, Verb::ProfileAdd].contains(&self.verb);
        let commits = [Verb::Enable, Verb::Migrate, Verb::Import, Verb::Record, Verb::Flush, Verb::Sync].contains(&self.verb);
        let is_own = [Place::OwnPostgresql, Place::OwnMariadb].contains(&self.place);
        let on_a_server = self.place != Place::Sqlite && !is_own;
        match self.fault {
            Fault::SessionsEnded | Fault::Restarted | Fault::FailedOver | Fault::WrongServer => is_own && asks_the_store,
            Fault::LineCut | Fault::AnswerLost | Fault::AnswersHeld => on_a_server && asks_the_store,
            Fault::CommitLost => on_a_server && commits,
            Fault::Together => !is_own && TOGETHER.contains(&self.verb),
            _ => !is_own,
        }
    }
}

/// So many cases on those places: every command with every fault once, and beside every other one, in an order of the seed's; then each at
/// another point, and so on.
pub fn plan(places: &[Place], seed: u64, count: usize) -> Vec<Case> {
    let all = places.iter().flat_map(|place| Verb::ALL.iter().flat_map(|verb| Fault::ALL.iter().map(|fault| (*place, *verb, *fault))));
    let firsts: Vec<Case> = all.map(|(place, verb, fault)| Case { place, verb, fault, point: 0 }).filter(Case::is_possible).collect();
    let round = |round: usize| {
        let points = firsts.iter().flat_map(|first| {
            let each = if first.fault == Fault::Together { TOGETHER.len() } else { 1 };
            (round * each..(round + 1) * each).map(|point| Case { point, ..*first })
        });
        let mut cases: Vec<Case> = points.filter(|case| case.point < case.points()).collect();
        cases.sort_by_key(|case| xxh3_64_with_seed(case.name().as_bytes(), seed));
        cases
    };
    (0..POINTS).flat_map(round).take(count).collect()
}

/// The case of that name.
pub fn named(name: &str) -> Case {
    let parts: [&str; 4] = name.split('/').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{name} is no case"));
    let place = Place::ALL.iter().find(|place| place.word() == parts[0]);
    let verb = Verb::ALL.iter().find(|verb| verb.word().replace(' ', "-") == parts[1]);
    let fault = Fault::ALL.iter().find(|fault| fault.word() == parts[2]);
    match (place, verb, fault, parts[3].parse()) {
        (Some(place), Some(verb), Some(fault), Ok(point)) => Case { place: *place, verb: *verb, fault: *fault, point },
        _ => panic!("{name} is no case"),
    }
}
