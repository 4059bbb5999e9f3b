//! What is pushed at once.

use std::collections::BTreeMap;

use jobber_actors::domain::JobId;
use jobber_actors::ports::LogLine;
use serde::Serialize;

use super::entry;
use super::logql::{JOB, SOURCE, STREAM};
use super::position::Positions;

/// Most lines of a push.
const MOST_LINES: usize = 2_000;
/// A push ends with the line that reaches this. Loki takes 4 MiB unless its operator says otherwise.
const ENOUGH_BYTES: usize = 1024 * 1024;

/// A body, and how many of the lines it has.
pub(super) struct Batch {
    pub(super) body: Vec<u8>,
    pub(super) lines: usize,
}

#[derive(Serialize)]
struct Body<'a> {
    streams: Vec<Stream<'a>>,
}

#[derive(Serialize)]
struct Stream<'a> {
    stream: BTreeMap<&'static str, &'a str>,
    /// Nanoseconds since 1970 as text, and the line.
    values: &'a [(String, String)],
}

/// The first lines, as many as belong into one push.
pub(super) fn batch(lines: &[LogLine], positions: &mut Positions) -> Batch {
    let mut streams: BTreeMap<(JobId, &str), Vec<(i64, String)>> = BTreeMap::new();
    let (mut count, mut bytes) = (0, 0);
    for line in lines.iter().take(MOST_LINES) {
        let position = positions.next(line.job, line.time);
        let text = entry::encode(line, position);
        bytes += text.len();
        count += 1;
        streams
            .entry((line.job, line.stream.name()))
            .or_default()
            .push((position.nanosecond, text));
        if bytes >= ENOUGH_BYTES {
            break;
        }
    }
    let streams: Vec<_> = streams
        .into_iter()
        .map(|((job, stream), mut values)| {
            // Loki is quickest with what comes in order.
            values.sort_by_key(|(nanosecond, _)| *nanosecond);
            let values: Vec<_> = values
                .into_iter()
                .map(|(nanosecond, text)| (nanosecond.to_string(), text))
                .collect();
            (job.to_string(), stream, values)
        })
        .collect();
    let body = Body {
        streams: streams
            .iter()
            .map(|(job, stream, values)| Stream {
                stream: BTreeMap::from([SOURCE, (JOB, job), (STREAM, stream)]),
                values,
            })
            .collect(),
    };
    Batch {
        body: serde_json::to_vec(&body).expect("maps and texts are JSON"),
        lines: count,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use jobber_actors::ports::{LogLevel, OutputStream};
    use serde_json::Value;

    use super::*;

    fn line(job: JobId, stream: OutputStream, second: i64, message: &str) -> LogLine {
        LogLine {
            time: DateTime::from_timestamp(second, 0).unwrap(),
            job,
            version: None,
            runner: None,
            invocation: None,
            stream,
            level: LogLevel::Info,
            message: message.to_owned(),
            fields: None,
        }
    }

    #[test]
    fn lines_go_by_job_and_stream_in_order() {
        let (job, other) = (JobId::generate(), JobId::generate());
        let lines = [
            line(job, OutputStream::Stdout, 2, "second"),
            line(job, OutputStream::Stdout, 1, "first"),
            line(job, OutputStream::System, 1, "ours"),
            line(other, OutputStream::Stdout, 1, "another's"),
        ];
        let batch = batch(&lines, &mut Positions::default());
        assert_eq!(batch.lines, 4);
        let body: Value = serde_json::from_slice(&batch.body).unwrap();
        let streams = body["streams"].as_array().unwrap();
        assert_eq!(streams.len(), 3);
        let labels = streams[0]["stream"].as_object().unwrap();
        assert_eq!(
            labels.keys().collect::<Vec<_>>(),
            ["job_id", "service_name", "stream"]
        );
        let values = streams[0]["values"].as_array().unwrap();
        assert_eq!(values[0][0], "1000000000");
        assert!(values[0][1].as_str().unwrap().contains("first"));
        assert_eq!(values[1][0], "2000000000");
    }

    #[test]
    fn a_push_has_a_greatest_size() {
        let job = JobId::generate();
        let long = "x".repeat(64 * 1024);
        let lines: Vec<_> = (0..100)
            .map(|n| line(job, OutputStream::Stdout, n, &long))
            .collect();
        let first = batch(&lines, &mut Positions::default());
        assert!((10..20).contains(&first.lines), "{}", first.lines);
        let short: Vec<_> = (0..5_000)
            .map(|n| line(job, OutputStream::Stdout, n, ""))
            .collect();
        assert_eq!(batch(&short, &mut Positions::default()).lines, MOST_LINES);
    }
}
