//! The server's own log, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::SubscriberInitExt;

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

/// Begins to log. The first call counts; later ones (in tests) change nothing.
///
/// # Errors
/// When the filter is wrong, which the configuration has checked.
pub fn init(logging: &LoggingSection) -> Result<(), ParseError> {
    // Later directives win: the operator's own come last.
    let directives = format!("{},{}", QUIET.join(","), logging.filter);
    let filter = EnvFilter::builder().parse(directives)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let installed = match logging.format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(colours).with_target(false).finish().try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    if let Err(error) = installed {
        tracing::debug!(%error, "logging was set up before");
    }
    Ok(())
}
