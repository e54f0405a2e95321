//! No core dumps: the memory of this program holds passwords, and a dump of it would outlive them on disk.

/// Switches them off for this process and for those that it starts.
pub(crate) fn off() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // A limit may always be lowered; a system that refuses all the same is no reason not to work.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // The limit does not count where dumps go to a program, such as systemd-coredump.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
