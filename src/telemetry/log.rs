//! The server's own log.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::config::{LogFormat, LoggingSection};

/// What is always too talkative unless it is asked for by name.
const QUIET: [&str; 7] = [
    // It calls every client that sends rubbish, or leaves, an error of the server's; the gateway counts them.
    "actix_http::h1::dispatcher=off",
    "actix_server=warn",
    "bollard=warn",
    "hyper=warn",
    "refinery_core=warn",
    // What a broker refuses it tells by packet ids; the same comes as a result, which is told with a name.
    "rumqttc=off",
    "tokio_postgres=warn",
];

/// What writes the log, as the configuration says: events, and a line for each span that ends.
///
/// # Errors
/// When the filter is wrong, which the configuration has checked.
pub(super) fn layer<S, W>(
    logging: &LoggingSection,
    writer: W,
) -> Result<Box<dyn Layer<S> + Send + Sync>, ParseError>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    // Later directives win: the operator's own come last.
    let directives = format!("{},{}", QUIET.join(","), logging.filter);
    let filter = EnvFilter::builder().parse(directives)?;
    let lines = fmt::layer().with_writer(writer).with_span_events(FmtSpan::CLOSE);
    Ok(match logging.format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let lines = lines.with_ansi(colours).with_target(false);
            lines.with_filter(filter).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged in a format and with a filter while this happens.
    fn logged(format: LogFormat, filter: &str, happens: impl FnOnce()) -> String {
        let written = Written::default();
        let logging = LoggingSection {
            filter: filter.to_owned(),
            format,
        };
        let writer = written.clone();
        let layer = layer(&logging, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(registry().with(layer), happens);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    fn work() {
        let span = tracing::debug_span!(target: "jobber::publish", "publish", job = "shop", outcome = tracing::field::Empty);
        span.in_scope(|| tracing::info!(answer = 42, "it is \"done\""));
        span.record("outcome", "published");
    }

    #[test]
    fn people_get_lines_of_text() {
        let log = logged(LogFormat::Text, "info", work);
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains("INFO it is \"done\" answer=42"), "{log}");
    }

    #[test]
    fn collectors_get_an_object_on_each_line() {
        let log = logged(LogFormat::Json, "info", work);
        let line: Value = serde_json::from_str(log.trim()).unwrap();
        assert_eq!(
            (&line["level"], &line["message"], &line["answer"]),
            (&json!("INFO"), &json!("it is \"done\""), &json!(42))
        );
        assert!(
            line["timestamp"].is_string() && line["target"].is_string(),
            "{line}"
        );
        assert_eq!(line.get("span"), None, "spans are for those who ask for them");
    }

    #[test]
    fn a_span_that_is_asked_for_is_a_line_with_its_time_when_it_ends() {
        let log = logged(LogFormat::Json, "info,jobber::publish=debug", work);
        let lines: Vec<Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [event, end] = lines.as_slice() else {
            panic!("{log}");
        };
        assert_eq!(event["span"], json!({ "name": "publish", "job": "shop" }));
        assert_eq!(
            (&end["message"], &end["target"]),
            (&json!("close"), &json!("jobber::publish"))
        );
        assert_eq!(end["span"]["outcome"], "published");
        assert!(
            end["time.busy"].is_string() && end["time.idle"].is_string(),
            "{end}"
        );
    }

    #[test]
    fn what_is_too_talkative_is_heard_by_name_only() {
        let talk = || {
            tracing::info!(target: "tokio_postgres", "chatter");
            tracing::warn!(target: "tokio_postgres", "trouble");
        };
        let log = logged(LogFormat::Text, "info", talk);
        assert!(log.contains("trouble") && !log.contains("chatter"), "{log}");
        let log = logged(LogFormat::Text, "info,tokio_postgres=info", talk);
        assert!(log.contains("trouble") && log.contains("chatter"), "{log}");
    }
}
