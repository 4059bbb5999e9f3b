//! What the server itself takes of the machine.

use std::fs;
use std::time::{Duration, SystemTime};

use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// What this process takes now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessFigures {
    /// Time of processors since the start, of all threads.
    pub cpu: Duration,
    /// Bytes of memory that are in use.
    pub resident_bytes: u64,
    /// Bytes of addresses that are in use.
    pub virtual_bytes: u64,
    /// Open files, sockets included.
    pub open_files: u64,
    /// Most open files; `None` if there is no limit.
    pub most_files: Option<u64>,
}

/// Looks at this process. `None` where there is no `/proc`.
#[must_use]
pub fn figures() -> Option<ProcessFigures> {
    let pages = fs::read("/proc/self/statm").ok()?;
    let (virtual_pages, resident_pages) = parse_statm(&pages)?;
    let page = u64::try_from(page_size()).unwrap_or(u64::MAX);
    // The folder that is being read is one of them.
    let open = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(cpu.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(cpu.tv_nsec).unwrap_or_default();
    Some(ProcessFigures {
        cpu: Duration::new(seconds, nanoseconds),
        resident_bytes: resident_pages.saturating_mul(page),
        virtual_bytes: virtual_pages.saturating_mul(page),
        open_files: u64::try_from(open).unwrap_or(u64::MAX),
        most_files: getrlimit(Resource::Nofile).current,
    })
}

/// When this server started, for whoever has seen it not long after that.
#[derive(Clone, Copy, Debug)]
pub struct Started(SystemTime);

impl Started {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self(SystemTime::now())
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub fn seconds(self) -> f64 {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default().as_secs_f64()
    }
}

/// Pages of addresses, and pages in memory.
fn parse_statm(text: &[u8]) -> Option<(u64, u64)> {
    let mut numbers = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_takes_something() {
        let before = figures().expect("there is /proc");
        let files: Vec<_> = (0..20)
            .map(|_| fs::File::open("/dev/null").expect("is there"))
            .collect();
        let after = figures().expect("there is /proc");
        // Other tests open and close files at the same time, but not that many of them.
        assert!(after.open_files >= 20, "{after:?}");
        assert!(after.cpu >= before.cpu && after.resident_bytes > 1_000_000);
        assert!(after.virtual_bytes >= after.resident_bytes);
        drop(files);
    }

    #[test]
    fn the_kernels_line_is_read() {
        assert_eq!(parse_statm(b"5120 640 320 10 0 90 0\n"), Some((5120, 640)));
        assert_eq!(parse_statm(b""), None);
    }
}
