//! `jobber logs`.

mod follow;

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::client::{Client, Parameter, job_path, span};
use super::connection::RemoteArgs;
use super::versions::version_id;
use crate::cli::failure::Exit;
use crate::cli::output::{Output, Tone};
use crate::cli::text::{printable, text, whole};

/// Most lines that are asked for at once.
const MOST: u16 = 1_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct LogsArgs {
    /// The job's name or id.
    #[arg(value_name = "JOB")]
    job: String,
    /// Go on with what is written, until Ctrl-C. Comes back after a lost connection without losing a line.
    #[arg(long, short)]
    follow: bool,
    /// How many of the newest lines.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 100, value_parser = whole(0_u16..=1_000))]
    lines: u16,
    /// Only lines of this invocation.
    #[arg(long, value_name = "ID")]
    invocation: Option<String>,
    /// Only lines of this version.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Only lines of this stream; `system` is what Jobber itself says.
    #[arg(long, value_enum)]
    stream: Option<Stream>,
    /// Only lines of this level or worse.
    #[arg(long, value_enum)]
    level: Option<Level>,
    /// Only lines with this text.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only lines since then: a time, or how long ago (`90s`, `15m`, `2h`, `7d`).
    #[arg(long, value_name = "WHEN", conflicts_with = "follow")]
    since: Option<String>,
    /// Only lines before then.
    #[arg(long, value_name = "WHEN", conflicts_with = "follow")]
    until: Option<String>,
    /// Stop following after so many seconds.
    #[arg(long, value_name = "SECONDS", requires = "follow", value_parser = whole(1_u32..=86_400))]
    seconds: Option<u32>,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Stream {
    Stdout,
    Stderr,
    System,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

fn name(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

impl LogsArgs {
    pub(in crate::cli) async fn run(&self) -> anyhow::Result<Exit> {
        let client = self.remote.client().await?;
        let filter = self.filter(&client).await?;
        let output = self.remote.output();
        if self.follow {
            let seconds = self.seconds.map(|seconds| Duration::from_secs(seconds.into()));
            let wanted = follow::Wanted {
                path: job_path(&self.job, "/logs/tail"),
                filter,
                lines: self.lines,
            };
            follow::follow(&client, &wanted, seconds, |line| {
                output.write(&shown(line, output)?)
            })
            .await?;
            return Ok(Exit::Ok);
        }
        let mut filter = filter;
        filter.push(("limit", self.lines.clamp(1, MOST).to_string()));
        let query = serde_urlencoded::to_string(&filter)?;
        let lines = client
            .get(&format!("{}?{query}", job_path(&self.job, "/logs")))
            .await?;
        let lines = lines.as_array().map_or(&[][..], Vec::as_slice);
        for line in lines.iter().take(self.lines.into()) {
            output.write(&shown(line, output)?)?;
        }
        Ok(Exit::Ok)
    }

    async fn filter(&self, client: &Client) -> anyhow::Result<Vec<Parameter>> {
        let mut filter = span(self.since.as_deref(), self.until.as_deref())?;
        let mut add = |name, value: Option<String>| filter.extend(value.map(|value| (name, value)));
        add("invocation", self.invocation.clone());
        add("stream", self.stream.map(name));
        add("level", self.level.map(name));
        add("text", self.text.clone());
        if let Some(version) = &self.version {
            let id = version_id(client, &self.job, version).await?;
            add("version", Some(id));
        }
        Ok(filter)
    }
}

/// A line for people, or as a JSON object on a line of its own.
fn shown(line: &Value, output: Output) -> anyhow::Result<String> {
    if output.json {
        return Ok(format!("{}\n", serde_json::to_string(line)?));
    }
    let level = text(line, "level");
    let tone = match (level.as_str(), line["stream"].as_str()) {
        ("error", _) => Some(Tone::Bad),
        ("warn", _) => Some(Tone::Warning),
        (_, Some("system")) => Some(Tone::Good),
        _ => None,
    };
    let mark = if line["stream"] == "system" {
        "jobber".to_owned()
    } else {
        level
    };
    let mark = format!("{mark:<6}");
    let mark = tone.map_or_else(|| mark.clone(), |tone| output.paint(tone, &mark));
    let time = output.paint(Tone::Quiet, &text(line, "time"));
    let message = line["message"].as_str().unwrap_or_default();
    let mut shown = String::new();
    // The lines of a stack stay together.
    for part in message.split('\n') {
        shown += &format!("{time} {mark} {}\n", printable(part, output.colour));
    }
    if let Some(fields) = line["fields"].as_object() {
        let fields = printable(&serde_json::to_string(fields)?, false);
        shown.insert_str(
            shown.trim_end().len(),
            &format!(" {}", output.paint(Tone::Quiet, &fields)),
        );
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_time_level_and_text() {
        let output = Output {
            json: false,
            colour: false,
        };
        let line = json!({
            "time": "2026-01-01T00:00:00Z", "level": "info", "stream": "stdout", "message": "a\n  b\u{1b}[2J",
            "fields": { "n": 1 },
        });
        assert_eq!(
            shown(&line, output).unwrap(),
            "2026-01-01T00:00:00Z info   a\n2026-01-01T00:00:00Z info     b\\u{1b}[2J {\"n\":1}\n"
        );
        let json = Output {
            json: true,
            colour: false,
        };
        let document: Value = serde_json::from_str(&shown(&line, json).unwrap()).unwrap();
        assert_eq!(document, line);
    }
}
