//! Messages per second into one Docker runner through Jobber, and into a bare client of the package `mqtt` for Node.
//!
//! `cargo xtask bench mqtt` builds the images, installs the package and runs this. Both sides get the same messages from the
//! same publisher over the same broker, in turns, and do the same with them: `count.mjs`, next to nothing or some hashes of the
//! payload. The bare client runs in the runner's image, on its network, under its limits. What is measured is what the programs themselves have counted.
//!
//! The same work is without a record of every message, which the bare client does not keep. `--record` shows what that costs.
//!
//! QoS 1: the messages wait at the broker in a session of the side, which then drains it. QoS 0, of which a broker keeps
//! nothing: each side is sent a little more than it can take.
//!
//! Shown besides is what a message costs the broker, the server and the function: microseconds of a processor.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod broker;
mod cost;
mod measure;
mod publisher;
mod report;
mod sides;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;

use crate::broker::Broker;
use crate::cost::Meter;
use crate::measure::{BEGIN_AGAIN, FIRST_PACE, MARK, drain, flood};
use crate::publisher::Publisher;
use crate::report::{Case, Report};
use crate::sides::{Client, Jobber, Side, host_on};

/// Jobber's messages per second over the bare client's must reach this.
const RATIO_BAR: f64 = 1.0;

/// Messages per second into one Docker runner through Jobber, and into a bare client.
#[derive(Parser)]
struct Options {
    /// Sizes of the payload to measure with, in bytes.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 1024])]
    payloads: Vec<usize>,
    /// Hashes (SHA-256) that a message is worth to its handler; each takes about half a microsecond.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 50])]
    hashes: Vec<u8>,
    /// Qualities of service to measure with.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1])]
    qos: Vec<u8>,
    /// Messages of a measurement of QoS 1: a multiple of 1,000. Where hashes are made, as many fewer as they take longer.
    #[arg(long, default_value_t = 400_000)]
    messages: usize,
    /// Seconds of a measurement of QoS 0.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// The version of MQTT that both sides speak.
    #[arg(long, default_value = "3.1.1", value_parser = ["3.1.1", "5"])]
    mqtt: String,
    /// Rounds; the medians over them are shown. The ratio is the median of the rounds' ratios: the two sides of a round are measured one
    /// right after the other, on a machine that may be another one some minutes later.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Messages that Jobber's runner is given at once; a package that says nothing has 100. The bare client is given as many as
    /// the broker sends without an acknowledgement, which is 1,000.
    #[arg(long, default_value_t = 100)]
    concurrency: u32,
    /// Have Jobber keep a record of every message, in a Postgres on the same machine. The bare client keeps none, and is
    /// compared with a Jobber that keeps none either, unless this is given.
    #[arg(long)]
    record: bool,
    /// Fail when a bar is missed.
    #[arg(long)]
    check: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(
        options.messages > 0 && options.messages.is_multiple_of(MARK),
        "--messages is a multiple of {MARK}"
    );
    ensure!(
        !options.payloads.contains(&0),
        "--payloads are of one byte or more"
    );
    let port = Broker::free_port()?;
    // Ends last: the others use its network, which it removes.
    let mut jobber = Jobber::start(port, &options.mqtt, options.concurrency, options.record)?;
    let runner = jobber.runner()?;
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path(), port, host_on(&runner.network)?)?;
    let mut publisher = Publisher::connect(broker.address())?;
    jobber.subscribed()?;
    let mut client = Client::new(runner, port, &options.mqtt)?;
    client.come()?;
    println!(
        "MQTT {}, Mosquitto on {}; jobber: one Docker runner, {} record of messages; client: mqtt for Node, in the same image",
        options.mqtt,
        broker.address(),
        if options.record { "with a" } else { "without a" }
    );
    println!(
        "dropped: by jobber, beyond what may be unhandled; what the client can not take waits at the broker"
    );
    println!("broker, server, function: microseconds of a processor for each message that is handled\n");

    let mut sides: [&mut dyn Side; 2] = [&mut jobber, &mut client];
    let meter = Meter {
        broker: broker.process(),
    };
    let report = measure(&options, &mut sides, &mut publisher, meter)?;
    println!("{report}");
    println!("the ratio is to be at least {RATIO_BAR}");
    if options.check {
        for (case, ratio) in report.ratios() {
            let ratio = ratio.median;
            ensure!(ratio >= RATIO_BAR, "the ratio for {case} is {ratio:.2}");
        }
    }
    Ok(())
}

/// Sizes of a payload, each with the hashes that it is worth.
fn cases(options: &Options) -> impl Iterator<Item = (usize, u8)> {
    let hashes = options.hashes.iter().copied();
    let sizes = options.payloads.iter().copied();
    sizes.flat_map(move |bytes| hashes.clone().map(move |hashes| (bytes, hashes)))
}

/// All rounds, the two sides in turns.
fn measure(
    options: &Options,
    sides: &mut [&mut dyn Side; 2],
    publisher: &mut Publisher,
    meter: Meter,
) -> Result<Report> {
    let time = Duration::from_secs(options.seconds);
    let mut report = Report::default();
    for _ in 0..options.rounds {
        for (bytes, hashes) in cases(options) {
            let mut payload = vec![b'x'; bytes];
            payload[0] = hashes;
            for side in sides.iter_mut() {
                let case = |qos| Case {
                    qos,
                    payload: bytes,
                    hashes,
                };
                // First, because it leaves a program behind that has warmed up.
                if options.qos.contains(&1) {
                    let run = drain(&mut **side, publisher, meter, &payload, options.messages)?;
                    report.add(case(1), side.name(), run);
                }
                if options.qos.contains(&0) {
                    let pace = report
                        .last(case(0), side.name())
                        .map_or(FIRST_PACE, |run| run.rate * BEGIN_AGAIN);
                    let run = flood(&**side, publisher, meter, &payload, time, pace)?;
                    report.add(case(0), side.name(), run);
                }
            }
        }
        // Who comes first changes, so that neither always gets the warmer machine.
        sides.reverse();
    }
    Ok(report)
}
