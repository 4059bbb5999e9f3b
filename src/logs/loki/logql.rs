//! Questions in Loki's language. They ask for exactly what the filters mean: nothing is sorted out afterwards.

use std::fmt::Write as _;

use jobber_actors::domain::JobId;
use jobber_actors::ports::OutputStream;

use crate::logs::LogFilter;

/// Every stream has this, so that a Loki may also have those of others.
pub(super) const SOURCE: (&str, &str) = ("service_name", "jobber");
/// Whose lines they are.
pub(super) const JOB: &str = "job_id";
/// Where they were written.
pub(super) const STREAM: &str = "stream";

/// The question for the lines of these jobs that are like this. There is at least one job.
pub(super) fn question(jobs: &[JobId], filter: &LogFilter) -> String {
    let (name, value) = SOURCE;
    let mut query = format!("{{{name}={},{JOB}", quoted(value));
    if let [job] = jobs {
        add(&mut query, &format!("={}", quoted(&job.to_string())));
    } else {
        let ids: Vec<_> = jobs.iter().map(ToString::to_string).collect();
        add(&mut query, &format!("=~{}", quoted(&ids.join("|"))));
    }
    if let Some(stream) = filter.stream.map(OutputStream::name) {
        add(&mut query, &format!(",{STREAM}={}", quoted(stream)));
    }
    query.push('}');
    for (key, id) in [
        ("invocation", filter.invocation.map(|id| id.to_string())),
        ("version", filter.version.map(|id| id.to_string())),
    ] {
        if let Some(id) = id {
            add(
                &mut query,
                &format!(" |= {}", quoted(&format!("\"{key}\":\"{id}\""))),
            );
        }
    }
    if let Some(levels) = filter.levels() {
        let pattern = format!("\"level\":\"({})\"", levels.join("|"));
        add(&mut query, &format!(" |~ {}", quoted(&pattern)));
    }
    if let Some(text) = &filter.text {
        add(&mut query, &format!(" |~ {}", quoted(&message_with(text))));
    }
    query
}

fn add(query: &mut String, part: &str) {
    // Writing to a String does not fail.
    let _ = query.write_str(part);
}

/// A text of the language, which has Go's rules: those of JSON are among them.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// An expression that fits lines with this text in their message, and not elsewhere: from where the message begins it goes on by
/// whole characters as JSON has them.
fn message_with(text: &str) -> String {
    let mut pattern = String::from(r#""message":"(?:[^"\\]|\\.)*"#);
    for character in text.chars() {
        if character.is_ascii_alphabetic() {
            let (lower, upper) = (character.to_ascii_lowercase(), character.to_ascii_uppercase());
            pattern.extend(['[', lower, upper, ']']);
            continue;
        }
        let json = quoted(character.encode_utf8(&mut [0; 4]));
        for part in json[1..json.len() - 1].chars() {
            if r"\.+*?()|[]{}^$".contains(part) {
                pattern.push('\\');
            }
            pattern.push(part);
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use jobber_actors::domain::InvocationId;
    use jobber_actors::ports::LogLevel;

    use super::*;

    #[test]
    fn a_question_has_few_labels_and_a_filter_for_all_else() {
        let job: JobId = "00000000-0000-7000-8000-000000000001".parse().unwrap();
        let invocation: InvocationId = "00000000-0000-7000-8000-000000000002".parse().unwrap();
        assert_eq!(
            question(&[job], &LogFilter::default()),
            r#"{service_name="jobber",job_id="00000000-0000-7000-8000-000000000001"}"#
        );
        let filter = LogFilter {
            invocation: Some(invocation),
            stream: Some(OutputStream::Stderr),
            level: Some(LogLevel::Warn),
            text: Some("a.\"".to_owned()),
            ..LogFilter::default()
        };
        assert_eq!(
            question(&[job, job], &filter),
            [
                r#"{service_name="jobber",job_id=~"00000000-0000-7000-8000-000000000001|00000000-0000-7000-8000-000000000001","#,
                r#"stream="stderr"} |= "\"invocation\":\"00000000-0000-7000-8000-000000000002\"""#,
                r#" |~ "\"level\":\"(warn|error)\"""#,
                r#" |~ "\"message\":\"(?:[^\"\\\\]|\\\\.)*[aA]\\.\\\\\"""#,
            ]
            .concat()
        );
    }
}
