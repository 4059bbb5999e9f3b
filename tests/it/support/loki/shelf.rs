//! The lines, by their streams.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::logql::Query;

/// The labels of a stream.
pub type Labels = BTreeMap<String, String>;

/// `max_label_names_per_series`, `max_label_value_length`, `max_global_streams_per_user`.
const MOST_LABELS: usize = 15;
const MOST_VALUE: usize = 2_048;
const MOST_STREAMS: usize = 5_000;
/// `max_line_size`.
const MOST_LINE: usize = 256 * 1024;
/// `max_entries_limit_per_query`.
const MOST_ENTRIES: usize = 5_000;
/// `max_query_length`.
const MOST_RANGE: TimeDelta = TimeDelta::hours(721);
/// `reject_old_samples_max_age`, `creation_grace_period`.
const OLDEST: TimeDelta = TimeDelta::hours(168);
const NEWEST: TimeDelta = TimeDelta::minutes(10);
/// Half of `max_chunk_age`: a line may be so much older than the newest one of its stream.
const BEHIND: TimeDelta = TimeDelta::hours(1);
/// `maxInputSize` of the parser.
const MOST_QUERY: usize = 131_072;

/// Status and reason of what is not done.
#[derive(Debug)]
pub struct Refusal(pub u16, pub String);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Question {
    pub query: String,
    pub start: i64,
    pub end: i64,
    pub limit: usize,
    pub forward: bool,
}

#[derive(Deserialize)]
struct Push {
    streams: Vec<Stream>,
}

/// A stream as it is pushed and given.
#[derive(Debug, Deserialize, Serialize)]
pub struct Stream {
    stream: Labels,
    values: Vec<(String, String)>,
}

/// All lines that were taken.
#[derive(Debug, Default)]
pub struct Shelf {
    streams: BTreeMap<Labels, BTreeSet<(i64, String)>>,
}

impl Question {
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let wrong = |what: &str| Refusal(400, format!("could not parse '{what}' parameter"));
        let parameters: BTreeMap<_, _> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let number = |name: &str| {
            let text = parameters.get(name).ok_or_else(|| wrong(name))?;
            text.parse::<i64>().map_err(|_| wrong(name))
        };
        let question = Self {
            query: parameters.get("query").cloned().unwrap_or_default(),
            start: number("start")?,
            end: number("end")?,
            limit: usize::try_from(number("limit").unwrap_or(100)).map_err(|_| wrong("limit"))?,
            forward: match parameters.get("direction").map(String::as_str) {
                Some("forward") => true,
                Some("backward") | None => false,
                Some(_) => return Err(wrong("direction")),
            },
        };
        question.check()?;
        Ok(question)
    }

    fn check(&self) -> Result<(), Refusal> {
        let refuse = |reason: &str| Err(Refusal(400, reason.to_owned()));
        if self.end <= self.start {
            return refuse("end timestamp must not be before or equal to start time");
        }
        if TimeDelta::nanoseconds(self.end - self.start) > MOST_RANGE {
            return refuse("the query time range exceeds the limit (limit: 30d1h)");
        }
        if self.limit == 0 || self.limit > MOST_ENTRIES {
            return refuse("max entries limit per query exceeded, limit > max_entries_limit_per_query");
        }
        if self.query.len() > MOST_QUERY {
            return refuse("parse error : input size too long");
        }
        Ok(())
    }
}

impl Shelf {
    /// Takes all lines but those that can not be taken, of which the last one's reason is told.
    pub fn push(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let push: Push = serde_json::from_slice(body)
            .map_err(|error| Refusal(400, format!("unmarshalerDecoder: {error}")))?;
        let mut refusal = None;
        for Stream { stream, values } in push.streams {
            self.check(&stream)?;
            let lines = self.streams.entry(stream).or_default();
            for (nanosecond, line) in values {
                let nanosecond = nanosecond
                    .parse::<i64>()
                    .map_err(|_| Refusal(400, "unexpected timestamp".to_owned()))?;
                match check_line(lines.last().map(|(newest, _)| *newest), nanosecond, &line) {
                    // The same line of the same moment is kept once.
                    Ok(()) => drop(lines.insert((nanosecond, line))),
                    Err(reason) => refusal = Some(reason),
                }
            }
        }
        refusal.map_or(Ok(()), |reason| Err(Refusal(400, reason.to_owned())))
    }

    fn check(&self, labels: &Labels) -> Result<(), Refusal> {
        let good_name = |name: &String| {
            let mut characters = name.chars();
            characters
                .next()
                .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if labels.is_empty() || !labels.keys().all(good_name) {
            return Err(Refusal(400, "error parsing labels".to_owned()));
        }
        if labels.len() > MOST_LABELS || labels.values().any(|value| value.len() > MOST_VALUE) {
            return Err(Refusal(400, "max_label_names_per_series".to_owned()));
        }
        if !self.streams.contains_key(labels) && self.streams.len() >= MOST_STREAMS {
            return Err(Refusal(429, "Maximum active stream limit exceeded".to_owned()));
        }
        Ok(())
    }

    /// The streams with lines that are asked for.
    pub fn ask(&self, question: &Question) -> Result<Vec<Stream>, Refusal> {
        let query = Query::parse(&question.query)?;
        let mut found: Vec<(i64, &str, &Labels)> = self
            .streams
            .iter()
            .filter(|(labels, _)| query.selects(labels))
            .flat_map(|(labels, lines)| {
                lines
                    .range((question.start, String::new())..(question.end, String::new()))
                    .filter(|(_, line)| query.passes(line))
                    .map(move |(nanosecond, line)| (*nanosecond, line.as_str(), labels))
            })
            .collect();
        // Within a nanosecond by the text, whichever way it goes: no order that anybody could rely on.
        found.sort_by_key(|(nanosecond, line, _)| {
            let nanosecond = if question.forward {
                *nanosecond
            } else {
                -*nanosecond
            };
            (nanosecond, *line)
        });
        found.truncate(question.limit);
        let mut streams: BTreeMap<&Labels, Vec<(String, String)>> = BTreeMap::new();
        for (nanosecond, line, labels) in found {
            let values = streams.entry(labels).or_default();
            values.push((nanosecond.to_string(), line.to_owned()));
        }
        Ok(streams
            .into_iter()
            .rev()
            .map(|(labels, values)| Stream {
                stream: labels.clone(),
                values,
            })
            .collect())
    }

    pub fn labels(&self) -> Vec<Labels> {
        self.streams.keys().cloned().collect()
    }

    pub fn lines(&self) -> usize {
        self.streams.values().map(BTreeSet::len).sum()
    }
}

fn check_line(newest: Option<i64>, nanosecond: i64, line: &str) -> Result<(), &'static str> {
    let now = Utc::now().timestamp_nanos_opt().unwrap();
    let nanoseconds = |time: TimeDelta| time.num_nanoseconds().unwrap();
    if line.len() > MOST_LINE {
        return Err("max entry size exceeded");
    }
    if nanosecond < now - nanoseconds(OLDEST) {
        return Err("entry has timestamp too old");
    }
    if nanosecond > now + nanoseconds(NEWEST) {
        return Err("entry has timestamp too new");
    }
    if newest.is_some_and(|newest| nanosecond < newest - nanoseconds(BEHIND)) {
        return Err("entry too far behind");
    }
    Ok(())
}
