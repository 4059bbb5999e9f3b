//! From the API's errors to the port's.

use bollard::errors::Error;
use jobber_actors::ports::EngineError;

/// Whether the daemon answered with this status.
pub(super) fn is_status(error: &Error, status: u16) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == status)
}

/// Whether the daemon said that there is no such image (and not: no such network).
pub(super) fn is_missing_image(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, message } if message.to_lowercase().contains("image"))
}

/// An error of a call without which nothing works.
pub(super) fn unreachable(error: &Error) -> EngineError {
    EngineError::Unreachable(error.to_string())
}

/// An error of a step of starting a runner: the daemon's refusal of this runner, or its silence.
pub(super) fn start(step: &str, error: &Error) -> EngineError {
    match error {
        Error::DockerResponseServerError { message, .. } => EngineError::Start(format!("{step}: {message}")),
        other => EngineError::Unreachable(format!("{step}: {other}")),
    }
}
