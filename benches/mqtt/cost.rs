//! What a message costs: the time for which processes had a processor.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The processes that a side's messages go through behind the broker.
#[derive(Clone, Copy)]
pub(crate) struct Processes {
    /// Between the broker and the function, if there is one.
    pub(crate) server: Option<u32>,
    /// The first process of the function's container.
    pub(crate) function: u32,
}

/// Nanoseconds for which they had a processor so far, or microseconds for one message.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) broker: f64,
    pub(crate) server: f64,
    pub(crate) function: f64,
}

/// Reads how long the processes had a processor.
#[derive(Clone, Copy)]
pub(crate) struct Meter {
    pub(crate) broker: u32,
}

impl Meter {
    /// What they have cost so far.
    pub(crate) fn read(self, processes: Processes) -> Result<Cost> {
        Ok(Cost {
            broker: time_of(self.broker)?,
            // Not its children: the database works for itself.
            server: processes.server.map_or(Ok(0.0), time_of)?,
            function: time_of_family(processes.function)?,
        })
    }
}

impl Cost {
    /// Microseconds that each of so many messages took, from `before` to here.
    pub(crate) fn of_each(self, before: Self, messages: u64) -> Self {
        let each = |now: f64, then: f64| (now - then) / 1e3 / messages as f64;
        Self {
            broker: each(self.broker, before.broker),
            server: each(self.server, before.server),
            function: each(self.function, before.function),
        }
    }
}

/// The threads of a process.
fn threads(process: u32) -> Result<Vec<PathBuf>> {
    let folder = Path::new("/proc").join(process.to_string()).join("task");
    let threads = fs::read_dir(&folder).with_context(|| format!("{} is gone", folder.display()))?;
    threads.map(|thread| Ok(thread?.path())).collect()
}

fn time_of(process: u32) -> Result<f64> {
    let mut time = 0.0;
    for thread in threads(process)? {
        let spent = fs::read_to_string(thread.join("schedstat"))?;
        let spent = spent.split(' ').next().context("an empty schedstat")?;
        time += spent.parse::<f64>()?;
    }
    Ok(time)
}

/// Of a process and all that it has started.
fn time_of_family(process: u32) -> Result<f64> {
    let mut time = time_of(process)?;
    for thread in threads(process)? {
        for child in fs::read_to_string(thread.join("children"))?.split_whitespace() {
            time += time_of_family(child.parse()?)?;
        }
    }
    Ok(time)
}
