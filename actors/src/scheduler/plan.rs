//! What the instants of a schedule come to: a pure decision.

use chrono::{DateTime, TimeDelta, Utc};

use crate::manifest::{CatchUp, Overlap};
use crate::ports::MissReason;
use crate::schedule::Schedule;

/// An instant fires as usual up to so much later; after that it was missed. A restart of the server takes less.
pub const LATE_TOLERANCE: TimeDelta = TimeDelta::seconds(10);
/// So long before it is due an instant is recorded, so that nothing but handing it over is left to do when it is. Another expression
/// that is published within this time comes too late for it.
const AHEAD: TimeDelta = TimeDelta::milliseconds(500);
/// `catchUp: all` makes up for so many instants, the latest ones.
pub const MOST_CATCH_UP: usize = 100;
/// Missed instants are counted up to so many; then it is said that there were more.
const MOST_COUNTED: u32 = 10_000;
/// Fires of one schedule that are dealt with at once. More wait for the next look, which follows at once.
const MOST_AT_ONCE: usize = 200;

/// Instants in a row that do not start the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The first of them.
    pub first: DateTime<Utc>,
    /// The last of them.
    pub last: DateTime<Utc>,
    /// How many; at least so many if `uncounted`.
    pub instants: u32,
    /// Whether there were too many to count.
    pub uncounted: bool,
    /// Why.
    pub reason: MissReason,
}

/// What is to be done about a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Instants that start the function, in order: now, or when they are due.
    pub fires: Vec<DateTime<Utc>>,
    /// Instants that do not.
    pub missed: Option<Missed>,
    /// All instants up to this one are dealt with then.
    pub handled: DateTime<Utc>,
}

/// How long before it is due an instant can be decided about. Whether it overlaps an earlier one is known when it is due, and not before.
#[must_use]
pub fn lead(overlap: Overlap) -> TimeDelta {
    match overlap {
        Overlap::Allow => AHEAD,
        Overlap::Skip | Overlap::Queue => TimeDelta::zero(),
    }
}

/// Decides about the instants after `handled`, up to `lead` after `now`.
#[must_use]
pub fn plan(
    schedule: &Schedule,
    catch_up: CatchUp,
    handled: DateTime<Utc>,
    now: DateTime<Utc>,
    lead: TimeDelta,
) -> Plan {
    let until = now + lead;
    let on_time_after = (now - LATE_TOLERANCE).max(handled);
    let mut fires = Vec::new();
    let mut missed = None;
    if on_time_after > handled {
        let wanted = match catch_up {
            CatchUp::None => 0,
            CatchUp::Last => 1,
            CatchUp::All => MOST_CATCH_UP,
        };
        fires = latest(schedule, handled, on_time_after, wanted);
        let missed_until = fires
            .first()
            .map_or(on_time_after, |first| *first - TimeDelta::seconds(1));
        let reason = if catch_up == CatchUp::All {
            MissReason::BeyondCatchUp
        } else {
            MissReason::NotRunning
        };
        missed = count(schedule, handled, missed_until, reason);
    }
    let mut on_time = instants(schedule, on_time_after, until);
    fires.extend(on_time.by_ref().take(MOST_AT_ONCE));
    // What did not fit is looked at again at once: only up to the last one is everything dealt with.
    let handled = match (on_time.next(), fires.last()) {
        (Some(_), Some(last)) => *last,
        _ => until,
    };
    Plan {
        fires,
        missed,
        handled,
    }
}

/// The instants after `after`, up to `until`.
fn instants(
    schedule: &Schedule,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
) -> impl Iterator<Item = DateTime<Utc>> {
    schedule.instants_after(after).take_while(move |at| *at <= until)
}

/// The latest `most` instants after `after`, up to `until`. Looks back further and further, so that it costs little how long ago
/// `after` is.
fn latest(
    schedule: &Schedule,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
    most: usize,
) -> Vec<DateTime<Utc>> {
    if most == 0 {
        return Vec::new();
    }
    let mut back = TimeDelta::minutes(1);
    loop {
        let from = until
            .checked_sub_signed(back)
            .map_or(after, |from| from.max(after));
        let mut found: Vec<_> = instants(schedule, from, until).collect();
        if found.len() >= most || from == after {
            return found.split_off(found.len().saturating_sub(most));
        }
        back = back * 4;
    }
}

fn count(
    schedule: &Schedule,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
    reason: MissReason,
) -> Option<Missed> {
    let mut all = instants(schedule, after, until);
    let first = all.next()?;
    let mut last = first;
    let mut counted = 1;
    for at in all {
        last = at;
        counted += 1;
        if counted > MOST_COUNTED {
            break;
        }
    }
    let uncounted = counted > MOST_COUNTED;
    if uncounted {
        last = latest(schedule, last, until, 1).pop().unwrap_or(last);
    }
    Some(Missed {
        first,
        last,
        instants: counted.min(MOST_COUNTED),
        uncounted,
        reason,
    })
}
