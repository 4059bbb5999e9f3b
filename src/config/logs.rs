//! The options of the functions' logs.

use std::time::Duration;

use chrono::Days;
use jobber_actors::manifest::ByteSize;
use secrecy::SecretString;

use super::parse::{bytes, choice, duration, number, positive};
use super::reader::Reader;

/// Where the functions' logs go, and how long they stay.
#[derive(Clone, Debug)]
pub struct LogSection {
    /// What keeps them.
    pub driver: LogDriver,
    /// How many days Postgres keeps them. Loki has its own rules.
    pub retention: Days,
    /// Bytes that one runner may log each second, on average.
    pub runner_rate: ByteSize,
    /// Bytes that one runner may log at once.
    pub runner_burst: ByteSize,
}

/// What keeps the functions' logs.
#[derive(Clone, Debug)]
pub enum LogDriver {
    /// The server's Postgres.
    Database,
    /// A Grafana Loki.
    Loki(LokiSection),
    /// Nothing does.
    None,
}

/// How to reach a Loki.
#[derive(Clone, Debug)]
pub struct LokiSection {
    /// Where lines are pushed to. May hold a password.
    pub push: SecretString,
    /// Where lines are asked for. May hold a password.
    pub query: SecretString,
    /// How far back lines are looked for when nothing says since when.
    pub look_back: Duration,
}

#[derive(Clone, Copy)]
enum Choice {
    Database,
    Loki,
    None,
}

impl LogSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let driver = reader.take(
            "LOG_DRIVER",
            choice(&[
                ("database", Choice::Database),
                ("loki", Choice::Loki),
                ("none", Choice::None),
            ]),
        );
        let push = url(reader, "LOG_DRIVER_LOKI_PUSH", driver);
        let query = url(reader, "LOG_DRIVER_LOKI_QUERY", driver);
        let look_back = reader.take("LOG_DRIVER_LOKI_QUERY_RANGE", seconds);
        let retention = reader.take("LOG_RETENTION_DAYS", days);
        let runner_rate = reader.take("LOG_RUNNER_RATE", some_bytes);
        let runner_burst = reader.take("LOG_RUNNER_BURST", some_bytes);
        let (push, query, look_back) = (push?, query?, look_back?);
        let driver = match driver? {
            Choice::Database => LogDriver::Database,
            Choice::None => LogDriver::None,
            Choice::Loki => LogDriver::Loki(LokiSection {
                push: push?,
                query: query?,
                look_back,
            }),
        };
        Some(Self {
            driver,
            retention: retention?,
            runner_rate: runner_rate?,
            runner_burst: runner_burst?,
        })
    }
}

/// A URL that has to be there for Loki. `None` if it is wrong, `Some(None)` if it is not given and nobody asks for it.
fn url(reader: &mut Reader, name: &'static str, driver: Option<Choice>) -> Option<Option<SecretString>> {
    let text = reader.take_secret_url(name)?;
    if text.is_empty() {
        if matches!(driver, Some(Choice::Loki)) {
            reader.problem(name, "must be set for the log driver `loki`");
            return None;
        }
        return Some(None);
    }
    let parsed = reqwest::Url::parse(&text).ok();
    let good = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if good {
        Some(Some(text.into()))
    } else {
        // The text may have a password in it: it must not be part of the message.
        reader.problem(name, "is no URL that begins with `http://` or `https://`");
        None
    }
}

/// A number of seconds, or a duration with its unit.
fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.parse().map(Duration::from_secs);
    let time = parsed.or_else(|_| duration(text)).map_err(|_| WRONG_RANGE)?;
    if (Duration::from_secs(1)..=MOST_RANGE).contains(&time) {
        Ok(time)
    } else {
        Err(WRONG_RANGE.to_owned())
    }
}

const WRONG_RANGE: &str = "is no number of seconds from 1 up to those of ten years";
const MOST_RANGE: Duration = Duration::from_secs(10 * 366 * 86_400);
/// Ten years.
const MOST_DAYS: u64 = 3_660;

fn days(text: &str) -> Result<Days, String> {
    match number::<u64>(text) {
        Ok(days) if (1..=MOST_DAYS).contains(&days) => Ok(Days::new(days)),
        _ => Err(format!("is no number of days from 1 to {MOST_DAYS}")),
    }
}

fn some_bytes(text: &str) -> Result<ByteSize, String> {
    let size = bytes(text)?;
    positive::<u64>(&size.bytes().to_string()).map(|_| size)
}
