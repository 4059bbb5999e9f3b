//! What runs the containers: the daemon's default, or one that the operator chose, such as gVisor's `runsc`.

use bollard::Docker;
use bollard::models::SystemInfo;
use jobber_actors::ports::EngineError;

use super::error::unreachable;

/// Makes sure that the daemon has a runtime of this name, so that an operator hears of it at the start and not from the
/// first caller.
pub(super) async fn require(docker: &Docker, runtime: &str) -> Result<(), EngineError> {
    let info = docker.info().await.map_err(|error| unreachable(&error))?;
    let known = names(&info);
    if known.iter().any(|name| name == runtime) {
        tracing::info!(runtime, "functions run with this runtime");
        return Ok(());
    }
    Err(EngineError::RuntimeMissing {
        runtime: runtime.to_owned(),
        reason: format!(
            "the Docker daemon has {}; add it to the daemon's `runtimes`, or change RUNNER_CONTAINER_RUNTIME",
            known.join(", ")
        ),
    })
}

/// The runtimes that a daemon has, in the order of the alphabet.
pub(super) fn names(info: &SystemInfo) -> Vec<String> {
    let mut names: Vec<_> = info
        .runtimes
        .iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    names.sort();
    names
}
