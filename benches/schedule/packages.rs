//! The packages: as many schedules as each may have, beside a route that tells how late they were.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::{Datelike, Utc};
use serde_json::{Value, json};

use crate::support::dev::Package;

pub(crate) const SCHEDULES: usize = 10_000;
/// With the route there are as many triggers as a package may have.
const SCHEDULES_PER_PACKAGE: usize = 999;
pub(crate) const JOBS: usize = SCHEDULES.div_ceil(SCHEDULES_PER_PACKAGE);

/// Of each thousand schedules, those that are due in every even minute, distributed over its seconds.
const SPREAD: usize = 30;
/// And those that are due in every even minute in one and the same second.
const TOGETHER: usize = 40;
/// The first seconds of the minute are for the former, this one is for the latter.
pub(crate) const BURST_SECOND: u32 = 50;
const SPREAD_SECONDS: usize = 40;

/// How many are due in an even minute.
pub(crate) const FIRES: usize = SCHEDULES / 1_000 * (SPREAD + TOGETHER);

pub(crate) fn name(job: usize) -> String {
    format!("bench-schedule-{job}")
}

/// Writes them all into folders of their own in `parent`.
pub(crate) fn write(parent: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir(parent)?;
    (0..JOBS).map(|job| package(job).write(parent)).collect()
}

fn package(job: usize) -> Package {
    let first = job * SCHEDULES_PER_PACKAGE;
    let last = SCHEDULES.min(first + SCHEDULES_PER_PACKAGE);
    let route = json!({ "type": "http", "path": format!("/{}", name(job)) });
    let triggers: Vec<Value> = std::iter::once(route)
        .chain((first..last).map(schedule))
        .collect();
    let manifest = json!({
        "name": name(job),
        "version": "1.0.0",
        "type": "module",
        "main": "./function.mjs",
        "engines": { "node": "24" },
        "action": { "runnerMinCount": 1, "runnerMaxCount": 1, "runnerMaxAge": 0, "runnerMaxAgeHard": 0 },
        "triggers": triggers,
    });
    Package {
        name: name(job),
        manifest: manifest.to_string(),
        files: vec![("function.mjs", include_str!("function.mjs"))],
    }
}

fn schedule(number: usize) -> Value {
    let (thousand, rest) = (number / 1_000, number % 1_000);
    let cron = if rest < SPREAD {
        let second = (thousand * SPREAD + rest) % SPREAD_SECONDS;
        format!("{second} */2 * * * *")
    } else if rest < SPREAD + TOGETHER {
        format!("{BURST_SECOND} */2 * * * *")
    } else {
        far_away(number)
    };
    json!({ "type": "schedule", "name": format!("schedule {number}"), "cron": cron })
}

/// Once a year, in two to ten months.
fn far_away(number: usize) -> String {
    let this_month = Utc::now().month0() as usize;
    let month = (this_month + 2 + number % 9) % 12 + 1;
    let (minute, hour, day) = (number % 60, number / 60 % 24, number % 28 + 1);
    format!("0 {minute} {hour} {day} {month} *")
}
