//! Instants of schedules that started nothing.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::InvocationId;
use crate::invocation::{Input, TriggerRef};
use crate::ports::{Gap, InvocationRecord, RecordedError, SkippedFire};

/// An instant that was due and was left out.
pub(crate) fn skipped(skipped: &SkippedFire, now: DateTime<Utc>) -> InvocationRecord {
    let SkippedFire { fire, reason } = skipped;
    let gap = Gap {
        job: fire.job,
        trigger: fire.trigger,
        first: fire.at,
        last: fire.at,
        instants: 1,
        uncounted: false,
        reason: *reason,
    };
    InvocationRecord {
        id: fire.invocation,
        ..passed(&gap, fire.trigger_name.clone(), now)
    }
}

/// Instants in a row that started nothing, as one record.
pub(crate) fn passed(gap: &Gap, trigger_name: Option<Arc<str>>, now: DateTime<Utc>) -> InvocationRecord {
    let at = |instant: DateTime<Utc>| instant.to_rfc3339_opts(SecondsFormat::Secs, true);
    let message = match (gap.instants, gap.uncounted) {
        (1, false) => gap.reason.to_string(),
        (count, false) => format!("{count} instants until {}: {}", at(gap.last), gap.reason),
        (count, true) => format!("at least {count} instants until {}: {}", at(gap.last), gap.reason),
    };
    InvocationRecord {
        id: InvocationId::generate(),
        attempt: 1,
        job: gap.job,
        version: None,
        trigger: TriggerRef {
            id: gap.trigger,
            name: trigger_name,
        },
        kind: Input::SCHEDULE,
        subject: at(gap.first),
        status: gap.reason.status(),
        queued: now,
        started: None,
        ended: Some(now),
        runner: None,
        cold_start: None,
        input_bytes: None,
        output_bytes: None,
        peak_memory: None,
        http_status: None,
        error: Some(RecordedError {
            code: gap.reason.code().into(),
            name: None,
            message,
        }),
        by_hand: None,
        payload: None,
        replaces: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{JobId, TriggerId};
    use crate::ports::{InvocationStatus, MissReason};

    #[test]
    fn a_gap_is_one_record_that_says_how_many_instants_and_why() {
        let now = DateTime::UNIX_EPOCH;
        let gap = |instants, uncounted, reason| Gap {
            job: JobId::generate(),
            trigger: TriggerId::generate(),
            first: now,
            last: now + chrono::TimeDelta::hours(2),
            instants,
            uncounted,
            reason,
        };
        for (gap, status, message) in [
            (
                gap(1, false, MissReason::Overlap),
                InvocationStatus::Skipped,
                "the trigger's earlier invocation was not over",
            ),
            (
                gap(3, false, MissReason::NotRunning),
                InvocationStatus::Missed,
                "3 instants until ",
            ),
            (
                gap(9, true, MissReason::BeyondCatchUp),
                InvocationStatus::Missed,
                "at least 9 instants until ",
            ),
        ] {
            let record = passed(&gap, None, now);
            assert_eq!((record.status, record.kind), (status, "schedule"));
            let error = record.error.expect("it has a reason");
            assert_eq!(error.code, gap.reason.code());
            assert!(error.message.starts_with(message), "{}", error.message);
        }
    }
}
