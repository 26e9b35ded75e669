//! What the process asks of the system for itself: that nobody looks into its memory, files enough, and what it
//! takes.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

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

/// What this process takes of the machine. What the system does not tell is none: all but the processor's time is read
/// from Linux's `/proc`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) processor_time: Duration,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) threads: Option<u64>,
    pub(crate) open_files: Option<u64>,
}

/// As of now.
pub(crate) fn usage() -> Usage {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.split_whitespace().next()?.parse::<u64>().ok()
    };
    Usage {
        processor_time: clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default(),
        resident_bytes: number("VmRSS:").map(|kibibytes| kibibytes * 1_024),
        threads: number("Threads:"),
        open_files: count_open_files(),
    }
}

fn count_open_files() -> Option<u64> {
    const FILES: &str = "/proc/self/fd";
    // Since Linux 6.2 the folder's size is their number. There may be 100,000 of them.
    match fs::metadata(FILES).ok()?.len() {
        0 => fs::read_dir(FILES).ok().map(|files| (files.count() as u64).saturating_sub(1)),
        count => Some(count),
    }
}

/// How many files this process may have open.
pub(crate) fn open_files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
