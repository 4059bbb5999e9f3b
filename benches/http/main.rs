//! Requests per second through Jobber and to a bare Node server, side by side.
//!
//! `cargo xtask bench http` builds the images and runs this. Both sides get the same load from the same generator on the
//! host, in turns, so that whatever else the machine does meets both. Jobber runs a hello function in one Docker runner;
//! the bare server is `http.createServer` in the same image, on the same network, under the same limits.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod jobber;
mod report;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;

use crate::jobber::Jobber;
use crate::report::{Cell, Report};
use crate::support::bare::Bare;
use crate::support::load::{Load, Run, answers};
use crate::support::processes::eventually;
use crate::support::statistics::mebibytes;

/// The yardstick: Node's own HTTP server, with nothing around it.
const SERVER: &str = r#"require("node:http").createServer((request, response) => {
  response.writeHead(200, {"content-type": "text/plain; charset=utf-8", "content-length": 13});
  response.end("Hello, world!");
}).listen(8080, "0.0.0.0");"#;

/// How long it may take to start.
const SERVER_START: Duration = Duration::from_secs(20);

/// The server's resident memory before the first request must stay below this.
const IDLE_MEMORY_BAR: u64 = 60 * 1024 * 1024;

/// Jobber's requests per second over Node's must reach this at the largest number of connections.
const RATIO_BAR: f64 = 0.7;

/// Requests per second through Jobber and to a bare Node server.
#[derive(Parser)]
struct Options {
    /// Numbers of connections to measure with.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    connections: Vec<usize>,
    /// Rounds; the medians over them are shown.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Fail when a bar is missed.
    #[arg(long)]
    check: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let jobber = Jobber::start()?;
    let memory = jobber.resident_memory()?;
    let node = Bare::start(&jobber.runner()?, None, &["-e", SERVER])?;
    eventually(SERVER_START, || answers(node.address(), "/hello"))?;
    println!(
        "jobber {}, one Docker runner; bare node {}",
        jobber.address(),
        node.address()
    );
    println!(
        "idle server: {:.1} MiB resident (bar: below {} MiB)\n",
        mebibytes(memory),
        IDLE_MEMORY_BAR / 1024 / 1024
    );

    let report = measure(&options, &jobber, &node)?;
    println!("{report}");

    let most = options.connections.iter().copied().max().unwrap_or_default();
    let ratio = report.ratio(most);
    println!("ratio at {most} connections: {ratio:.2} (bar: at least {RATIO_BAR})");
    if options.check {
        ensure!(
            memory < IDLE_MEMORY_BAR,
            "the idle server holds {:.1} MiB",
            mebibytes(memory)
        );
        ensure!(
            ratio >= RATIO_BAR,
            "the ratio at {most} connections is {ratio:.2}"
        );
    }
    Ok(())
}

/// All rounds, the two sides in turns.
fn measure(options: &Options, jobber: &Jobber, node: &Bare) -> Result<Report> {
    let time = Duration::from_secs(options.seconds);
    let mut report = Report::default();
    for round in 0..options.rounds {
        for connections in &options.connections {
            let mut sides = [
                ("jobber", jobber.address(), "/hello"),
                ("node", node.address(), "/hello"),
            ];
            // Who comes first changes, so that neither always gets the warmer machine.
            if round % 2 == 1 {
                sides.reverse();
            }
            for (side, address, path) in sides {
                let load = Load {
                    address,
                    path,
                    connections: *connections,
                };
                load.run(time / 10)?;
                let run: Run = load.run(time)?;
                report.add(
                    Cell {
                        side,
                        connections: *connections,
                    },
                    run,
                );
            }
        }
    }
    Ok(report)
}
