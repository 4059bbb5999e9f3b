//! A line as Loki keeps it: a JSON object in which every value is a text. So a quote that is not escaped begins or ends a key or
//! value of this object, whatever a function writes, and line filters can tell what they look at.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use jobber_actors::domain::{InvocationId, JobId, RunnerId, VersionId};
use jobber_actors::ports::{LogLevel, LogLine, OutputStream};
use serde::{Deserialize, Serialize};

use super::position::Position;
use crate::logs::StoredLogLine;
use crate::text::without_nul;

/// Most bytes of a line. Loki's own limit is 256 KiB unless its operator sets another.
const MOST_BYTES: usize = 240 * 1024;
/// Most bytes that a character takes as JSON.
const ESCAPED_BYTES: usize = 6;

#[derive(Debug, Serialize, Deserialize)]
struct Entry<'a> {
    /// Microseconds since 1970.
    time: Cow<'a, str>,
    tie: Cow<'a, str>,
    level: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", borrow, default)]
    version: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", borrow, default)]
    runner: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", borrow, default)]
    invocation: Option<Cow<'a, str>>,
    /// JSON.
    #[serde(skip_serializing_if = "Option::is_none", borrow, default)]
    fields: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// The text that is pushed.
pub(super) fn encode(line: &LogLine, position: Position) -> String {
    let text = written(line, position, &line.message);
    if text.len() <= MOST_BYTES {
        return text;
    }
    // Control characters are six bytes each: only a message full of them comes here.
    let room = MOST_BYTES.saturating_sub(text.len() - json_bytes(&line.message)) / ESCAPED_BYTES;
    let mut kept = room.saturating_sub(100).min(line.message.len());
    while !line.message.is_char_boundary(kept) {
        kept -= 1;
    }
    let cut = line.message.len() - kept;
    let message = format!("{}… [{cut} bytes of this line were cut]", &line.message[..kept]);
    written(line, position, &message)
}

fn written(line: &LogLine, position: Position, message: &str) -> String {
    let entry = Entry {
        time: line.time.timestamp_micros().to_string().into(),
        tie: position.tie.to_string().into(),
        level: line.level.name().into(),
        version: line.version.map(|id| id.to_string().into()),
        runner: line.runner.map(|id| id.to_string().into()),
        invocation: line.invocation.map(|id| id.to_string().into()),
        fields: line.fields.as_ref().map(|fields| {
            without_nul(&fields.to_string())
                .replace("\\u0000", "\u{fffd}")
                .into()
        }),
        message: without_nul(message),
    };
    serde_json::to_string(&entry).expect("texts are JSON")
}

fn json_bytes(text: &str) -> usize {
    serde_json::to_string(text).map_or(0, |json| json.len())
}

/// What was pushed. `None` if it was not pushed by Jobber.
pub(super) fn decode(job: JobId, stream: OutputStream, nanosecond: i64, text: &str) -> Option<StoredLogLine> {
    let entry: Entry<'_> = serde_json::from_str(text).ok()?;
    let time: DateTime<Utc> = DateTime::from_timestamp_micros(entry.time.parse().ok()?)?;
    let tie = entry.tie.parse().ok()?;
    Some(StoredLogLine {
        cursor: Position { nanosecond, tie }.cursor(),
        time,
        job_id: job,
        version_id: id::<VersionId>(entry.version),
        runner_id: id::<RunnerId>(entry.runner),
        invocation_id: id::<InvocationId>(entry.invocation),
        stream,
        level: LogLevel::from_name(&entry.level)?,
        message: entry.message.into_owned(),
        fields: entry.fields.and_then(|fields| serde_json::from_str(&fields).ok()),
    })
}

fn id<T: std::str::FromStr>(text: Option<Cow<'_, str>>) -> Option<T> {
    text.and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(message: &str) -> LogLine {
        LogLine {
            time: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
            job: JobId::generate(),
            version: Some(VersionId::generate()),
            runner: None,
            invocation: Some(InvocationId::generate()),
            stream: OutputStream::Stderr,
            level: LogLevel::Warn,
            message: message.to_owned(),
            fields: Some(json!({"a": "\u{0}\"", "b": [1, null]})),
        }
    }

    const POSITION: Position = Position {
        nanosecond: 1_700_000_000_123_456_003,
        tie: 9,
    };

    #[test]
    fn a_line_comes_back_as_it_was() {
        let line = line("a \"b\" \\ \n \u{0} ü");
        let text = encode(&line, POSITION);
        let stored = decode(line.job, line.stream, POSITION.nanosecond, &text).unwrap();
        assert_eq!(stored.message, "a \"b\" \\ \n \u{fffd} ü");
        assert_eq!(stored.fields, Some(json!({"a": "\u{fffd}\"", "b": [1, null]})));
        assert_eq!((stored.time, stored.cursor), (line.time, POSITION.cursor()));
        assert_eq!((stored.version_id, stored.runner_id), (line.version, None));
        assert_eq!((stored.stream, stored.level), (line.stream, line.level));
        assert!(text.ends_with("ü\"}"), "the message comes last: {text}");
        assert!(decode(line.job, line.stream, 0, "plain text").is_none());
    }

    #[test]
    fn what_grows_beyond_what_loki_takes_is_cut_with_a_note() {
        let line = line(&"\u{1}".repeat(64 * 1024));
        let text = encode(&line, POSITION);
        assert!(text.len() <= MOST_BYTES, "{}", text.len());
        let message = decode(line.job, line.stream, 0, &text).unwrap().message;
        assert!(message.ends_with(" bytes of this line were cut]"));
        assert!(message.len() > 30_000);
    }
}
