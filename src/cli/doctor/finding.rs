//! What a check came to. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::cli::text::bytes;

/// Clocks that differ by more are told.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(5);
/// Less free space than this is soon too little, and than this is too little.
const LOW_SPACE: u64 = 2 << 30;
const NO_SPACE: u64 = 256 << 20;

/// What one check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) state: State,
    /// What was seen.
    pub(super) seen: String,
    /// What to do about it.
    #[serde(rename = "fix", skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    Warning,
    Failed,
    Skipped,
}

impl Finding {
    fn new(check: &'static str, state: State, seen: impl Into<String>) -> Self {
        Self {
            check,
            state,
            seen: seen.into(),
            remedy: None,
        }
    }

    pub(super) fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self::new(check, State::Ok, seen)
    }

    pub(super) fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self::new(check, State::Skipped, why)
    }

    pub(super) fn warning(check: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..Self::new(check, State::Warning, seen)
        }
    }

    pub(super) fn failed(check: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..Self::new(check, State::Failed, seen)
        }
    }
}

/// Another machine's clock, which was read between two readings of ours.
pub(super) fn clock(
    whose: &str,
    before: DateTime<Utc>,
    theirs: DateTime<Utc>,
    after: DateTime<Utc>,
) -> Finding {
    let off = if theirs < before {
        before - theirs
    } else {
        theirs - after
    };
    if off <= CLOCK_TOLERANCE {
        return Finding::ok("clock", format!("as that of {whose}"));
    }
    Finding::failed(
        "clock",
        format!("{} s apart from that of {whose}", off.num_seconds()),
        "have both machines' clocks set by NTP (systemd-timesyncd, chrony): schedules and leases go by them",
    )
}

/// Free space of a folder's file system.
pub(super) fn disk(what: &str, free: u64, total: u64) -> Finding {
    let seen = format!("{what}: {} of {} free", bytes(free), bytes(total));
    let remedy =
        "make room: remove old versions (`jobber versions`), run `docker system prune`, or add a disk";
    match free {
        0..NO_SPACE => Finding::failed("disk", seen, remedy),
        NO_SPACE..LOW_SPACE => Finding::warning("disk", seen, remedy),
        _ => Finding::ok("disk", seen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_off_by_as_long_as_the_question_took() {
        let now = Utc::now();
        let seconds = TimeDelta::seconds;
        let state = |theirs| clock("Postgres", now, theirs, now + seconds(20)).state;
        assert_eq!(state(now + seconds(10)), State::Ok);
        assert_eq!(state(now - seconds(4)), State::Ok);
        assert_eq!(state(now - seconds(6)), State::Failed);
        assert_eq!(state(now + seconds(26)), State::Failed);
    }

    #[test]
    fn every_fault_has_a_remedy() {
        let found = [
            disk("/", 1, 10),
            disk("/", NO_SPACE, 1 << 40),
            disk("/", LOW_SPACE, 1 << 40),
        ];
        assert_eq!(
            found.each_ref().map(|found| found.state),
            [State::Failed, State::Warning, State::Ok]
        );
        assert!(found[..2].iter().all(|found| found.remedy.is_some()));
    }
}
