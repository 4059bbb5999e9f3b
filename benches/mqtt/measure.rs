//! How a side is measured.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::cost::{Cost, Meter};
use crate::publisher::Publisher;
use crate::sides::{Counts, Side};

/// Of QoS 1, messages that come before those that are measured: the program is new, and its code is being compiled.
const WARM_UP: usize = 100_000;
/// Messages between two marks.
pub(crate) const MARK: usize = 1_000;
/// Nothing may take longer than this without a message being handled.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(200);
/// A side that handles nothing for so long has handled everything.
const QUIET: Duration = Duration::from_millis(500);

/// Where the search for what a side can take begins, in messages each second, if it has not been searched for before.
pub(crate) const FIRST_PACE: f64 = 8_000.0;
/// Where it begins the next time, over what the side has taken before.
pub(crate) const BEGIN_AGAIN: f64 = 0.7;
/// What is sent next, over what was sent without a loss.
const STEP: f64 = 1.4;
/// What is sent while it is measured, over what the side can take.
const SURPLUS: f64 = 1.1;
/// A side that handles less than this much of what it is sent has reached its limit.
const KEEPS_UP: f64 = 0.97;
const STEP_TIME: Duration = Duration::from_secs(1);

/// What was measured once.
#[derive(Clone, Copy, Default)]
pub(crate) struct Run {
    /// Messages handled each second.
    pub(crate) rate: f64,
    /// Of QoS 0, messages sent each second.
    pub(crate) offered: f64,
    /// Of QoS 0, the part that was dropped.
    pub(crate) dropped: f64,
    /// Of QoS 1, the part that was handled twice.
    pub(crate) repeated: f64,
    /// Microseconds of a processor for each message.
    pub(crate) cost: Cost,
}

/// As many messages as take about as long with so many hashes as `messages` do without any: a multiple of [`MARK`].
pub(crate) fn of_hashes(messages: usize, hashes: u8) -> usize {
    let fewer = messages / (1 + usize::from(hashes) / 10);
    fewer.next_multiple_of(MARK)
}

/// QoS 1: so many messages wait at the broker when the side comes, and are handled and acknowledged as quickly as it can. The
/// publisher has nothing to do meanwhile.
pub(crate) fn drain(
    side: &mut dyn Side,
    publisher: &mut Publisher,
    meter: Meter,
    payload: &[u8],
    messages: usize,
) -> Result<Run> {
    side.leave()?;
    let [warm_up, messages] = [WARM_UP, messages].map(|messages| of_hashes(messages, payload[0]));
    let total = warm_up + messages;
    publisher.preload(side.topic(), payload, total)?;
    side.come()?;
    let warm = settled(side, |counts| counts.handled >= warm_up as u64)?;
    let (processes, handled_before) = (side.processes()?, warm.handled);
    let before = meter.read(processes)?;
    let last = settled(side, |counts| counts.handled >= total as u64)?;
    let cost = meter
        .read(processes)?
        .of_each(before, last.handled - handled_before);
    // A message whose acknowledgement was lost with a connection comes once more.
    let counts = quiet(side)?;
    ensure!(
        counts.last_bytes == payload.len(),
        "the last message is another one"
    );
    let begun = counts
        .marks
        .get(warm_up / MARK - 1)
        .context("a mark is missing")?;
    Ok(Run {
        rate: messages as f64 / (counts.last_at - begun) * 1000.0,
        repeated: (counts.handled - total as u64) as f64 / total as f64,
        cost,
        ..Run::default()
    })
}

/// QoS 0: the side is sent a little more than it can take, and what it handles is counted. What it can take is searched for from
/// `pace` on, in messages each second.
pub(crate) fn flood(
    side: &dyn Side,
    publisher: &mut Publisher,
    meter: Meter,
    payload: &[u8],
    time: Duration,
    mut pace: f64,
) -> Result<Run> {
    loop {
        let run = paced(side, publisher, meter, payload, pace, STEP_TIME)?;
        if run.rate < KEEPS_UP * pace {
            pace = run.rate * SURPLUS;
            break;
        }
        pace *= STEP;
    }
    loop {
        let run = paced(side, publisher, meter, payload, pace, time)?;
        // At its limit, or the broker at its own: it does not take what is to be sent.
        if run.rate < KEEPS_UP * run.offered || run.offered < KEEPS_UP * pace {
            return Ok(run);
        }
        // It had only been slow for a moment.
        pace *= SURPLUS;
    }
}

/// Sends at a pace, and waits afterwards until everything has been handled or dropped.
fn paced(
    side: &dyn Side,
    publisher: &mut Publisher,
    meter: Meter,
    payload: &[u8],
    pace: f64,
    time: Duration,
) -> Result<Run> {
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let (handled_before, dropped_before) = (side.counts("/count")?.handled, side.dropped()?);
    let window = std::thread::scope(|scope| {
        let (stop, sent, topic) = (&stop, &sent, side.topic());
        let publishing = scope.spawn(move || publisher.pace(topic, payload, pace, stop, sent));
        let window = window(side, meter, sent, time);
        stop.store(true, Ordering::Relaxed);
        let published = publishing.join();
        published
            .map_err(|_| anyhow::anyhow!("the publisher panicked"))?
            .and(window)
    });
    let window = window?;
    let sent = sent.load(Ordering::Relaxed);
    let over =
        |counts: &Counts, dropped: u64| counts.handled - handled_before + (dropped - dropped_before) >= sent;
    settled(side, |counts| {
        side.dropped().is_ok_and(|dropped| over(counts, dropped))
    })?;
    Ok(Run {
        dropped: (side.dropped()? - dropped_before) as f64 / sent as f64,
        ..window
    })
}

/// What is handled and sent each second during a window of time, after a tenth of it has passed.
fn window(side: &dyn Side, meter: Meter, sent: &AtomicU64, time: Duration) -> Result<Run> {
    let processes = side.processes()?;
    std::thread::park_timeout(time / 10);
    let (begun, sent_before, first) = (
        Instant::now(),
        sent.load(Ordering::Relaxed),
        side.counts("/count")?,
    );
    let before = meter.read(processes)?;
    std::thread::park_timeout(time);
    let (took, sent_after) = (begun.elapsed(), sent.load(Ordering::Relaxed));
    let last = side.counts("/count")?;
    let handled = last.handled - first.handled;
    Ok(Run {
        rate: handled as f64 / (last.now - first.now) * 1000.0,
        offered: (sent_after - sent_before) as f64 / took.as_secs_f64(),
        cost: meter.read(processes)?.of_each(before, handled),
        ..Run::default()
    })
}

/// Asks again and again until the counts are as wanted.
fn settled(side: &dyn Side, wanted: impl Fn(&Counts) -> bool) -> Result<Counts> {
    let (mut handled, mut moved) = (0, Instant::now());
    loop {
        // A program that has just been started does not answer yet.
        if let Ok(counts) = side.counts("/count") {
            if wanted(&counts) {
                return Ok(counts);
            }
            if counts.handled != handled {
                (handled, moved) = (counts.handled, Instant::now());
            }
        }
        ensure!(
            moved.elapsed() < PATIENCE,
            "{}: nothing is handled any more after {handled} messages",
            side.name()
        );
        std::thread::park_timeout(POLL);
    }
}

/// Asks again and again until nothing more is handled, for the counts with the marks.
fn quiet(side: &dyn Side) -> Result<Counts> {
    let mut counts = side.counts("/marks")?;
    loop {
        std::thread::park_timeout(QUIET);
        let handled = counts.handled;
        counts = side.counts("/marks")?;
        if counts.handled == handled {
            return Ok(counts);
        }
    }
}
