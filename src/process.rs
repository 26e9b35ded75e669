//! What the process asks of the system for itself: that nobody looks into its memory, and files enough.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Keeps the secrets in memory from other eyes.
///
/// Nothing of them gets into a core dump. On Linux, other processes of the same user can neither trace this one nor read
/// its memory and environment in `/proc`. Root still can, and until this is called, so can the user.
pub fn shut_in() {
    // The limit alone does not hold for a program that core dumps are piped to; on Linux, the rest does.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Lowering a limit is always allowed. A sandbox that forbids even the question lets nobody look in either.
    let _ = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Takes as many open files, connections among them, as the system grants. Many systems begin with 1,024 for the sake of
/// programs from before `poll`.
pub(crate) fn raise_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Some systems name a maximum that they do not grant.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// How many files this process may have open.
pub(crate) fn open_files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
