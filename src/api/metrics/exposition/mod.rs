//! The numbers as Prometheus reads them. Labels are bounded: jobs that exist, and what Jobber has names for.
//!
//! Every metric is there, whether it has values or not, so that what is documented can be compared with what is given.

mod backups;
mod jobs;
mod queues;
mod server;
mod writer;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::{Registry, Unit};

use self::writer::{Metrics, NO_LABELS, whole};
use super::figures::Figures;
use crate::process::ProcessFigures;

/// Of the text that [`text`] makes.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The numbers as text.
pub(super) fn text(figures: Figures) -> String {
    let process = Process {
        figures: figures.process,
        started: figures.started.seconds(),
    };
    let mut jobber = Registry::with_prefix("jobber");
    jobber.register_collector(Box::new(figures));
    // By the names that Prometheus' own libraries give them.
    let mut general = Registry::with_prefix("process");
    general.register_collector(Box::new(process));
    let mut text = String::new();
    for registry in [jobber, general] {
        prometheus_text::encode(&mut text, &registry).expect("a string takes whatever is written to it");
    }
    text
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures").finish_non_exhaustive()
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut metrics = Metrics(&mut encoder);
        self.server(&mut metrics)?;
        self.backups(&mut metrics)?;
        self.invocations_of_jobs(&mut metrics)?;
        self.lanes_and_runners(&mut metrics)?;
        self.schedules(&mut metrics)?;
        self.queue(&mut metrics)?;
        self.mqtt(&mut metrics)
    }
}

/// What the process takes of the machine.
#[derive(Debug)]
struct Process {
    figures: Option<ProcessFigures>,
    started: f64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut metrics = Metrics(&mut encoder);
        let help = "When the server started, since the Unix epoch";
        metrics.gauges_in(
            Some(&Unit::Seconds),
            "start_time",
            help,
            [(NO_LABELS, self.started)],
        )?;
        let Some(figures) = &self.figures else {
            return Ok(());
        };
        let help = "Time of processors since the start";
        metrics.seconds("cpu", help, figures.cpu.as_secs_f64())?;
        let bytes = Unit::Bytes;
        let resident = [(NO_LABELS, whole(figures.resident_bytes))];
        metrics.gauges_in(Some(&bytes), "resident_memory", "Memory that is in use", resident)?;
        let addresses = [(NO_LABELS, whole(figures.virtual_bytes))];
        metrics.gauges_in(
            Some(&bytes),
            "virtual_memory",
            "Addresses that are in use",
            addresses,
        )?;
        metrics.gauge(
            "open_fds",
            "Open files, sockets included",
            whole(figures.open_files),
        )?;
        let most = figures.most_files.map(|most| (NO_LABELS, whole(most)));
        metrics.gauges("max_fds", "Most open files", most)
    }
}
