//! What processes have used of the processors, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// In which Linux counts, whatever its own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

/// Of a process: its parent, and its own time, with that of the children that it has seen end.
struct Times {
    parent: u32,
    own: Duration,
    ended_children: Duration,
}

/// Time of all threads of a process.
pub(crate) fn of_process(process: u32) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    Ok(times(&text).with_context(|| format!("/proc/{process}/stat"))?.own)
}

/// Time of a process and its children, those that have ended included.
pub(crate) fn of_family(process: u32) -> Result<Duration> {
    let family = all()?;
    let head = family.get(&process).context("the process has ended")?;
    let living = family.values().filter(|times| times.parent == process);
    Ok(head.own + head.ended_children + living.map(|times| times.own).sum::<Duration>())
}

fn all() -> Result<HashMap<u32, Times>> {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may have ended meanwhile.
        if let Ok(text) = fs::read_to_string(entry.path().join("stat"))
            && let Some(times) = times(&text)
        {
            all.insert(process, times);
        }
    }
    Ok(all)
}

fn times(stat: &str) -> Option<Times> {
    // The name stands in parentheses and may have anything in it. The third field is the first behind it.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok());
    let time = |ticks: u64| Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND);
    Some(Times {
        parent: u32::try_from(field(4)?).ok()?,
        own: time(field(14)? + field(15)?),
        ended_children: time(field(16)? + field(17)?),
    })
}
