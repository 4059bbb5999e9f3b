//! `jobber doctor`: what a server needs, and what to do about what is amiss.

mod finding;
mod local;
mod server;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::finding::{Finding, State};
use super::failure::Exit;
use super::output::{Output, Tone};
use super::remote::{RemoteArgs, development_database};
use super::text::printable;

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The server's configuration file; environment variables win over it.
    #[arg(long, env = "JOBBER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only ask the server, wherever it is; look at nothing on this machine.
    #[arg(long)]
    remote: bool,
    #[command(flatten)]
    server: RemoteArgs,
}

impl DoctorArgs {
    /// Whether to answer with JSON.
    pub(super) fn json(&self) -> bool {
        self.server.json
    }
}

pub(super) async fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let mut findings = Vec::new();
    if !args.remote {
        let development = development_database();
        findings.extend(local::look(args.config.as_deref(), development.as_ref()).await);
    }
    findings.extend(server::look(&args.server).await?);
    let is_well = findings.iter().all(|finding| finding.state != State::Failed);
    let output = args.server.output();
    let document = json!({ "success": is_well, "checks": findings });
    output.answer(&document, || {
        Ok(findings.iter().map(|finding| told(finding, output)).collect())
    })?;
    Ok(if is_well { Exit::Ok } else { Exit::Failed })
}

/// One check with its remedy.
fn told(finding: &Finding, output: Output) -> String {
    let (mark, tone) = match finding.state {
        State::Ok => ("ok", Tone::Good),
        State::Warning => ("warning", Tone::Warning),
        State::Failed => ("failed", Tone::Bad),
        State::Skipped => ("skipped", Tone::Quiet),
    };
    let mark = output.paint(tone, &format!("{mark:<8}"));
    let mut told = format!(
        "{mark} {:<14} {}\n",
        finding.check,
        printable(&finding.seen, false)
    );
    if let Some(remedy) = &finding.remedy {
        told += &format!("{:24}fix: {remedy}\n", "");
    }
    told
}
