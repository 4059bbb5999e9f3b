//! The runtimes' images: there, pulled, or a clear word on how to get them.

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;
use jobber_actors::ports::EngineError;
use tokio::sync::Mutex;

use super::error::{is_status, unreachable};

/// Gets images, one at a time: the second runner that misses an image waits for the first one's pull.
#[derive(Debug)]
pub(super) struct Images {
    pull: bool,
    pulling: Mutex<()>,
}

impl Images {
    pub(super) fn new(pull: bool) -> Self {
        Self {
            pull,
            pulling: Mutex::new(()),
        }
    }

    /// Whether the image is there.
    pub(super) async fn is_present(&self, docker: &Docker, image: &str) -> Result<bool, EngineError> {
        match docker.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(error) if is_status(&error, 404) => Ok(false),
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// Makes an image available that was found missing.
    pub(super) async fn provide(
        &self,
        docker: &Docker,
        runtime: &str,
        image: &str,
    ) -> Result<(), EngineError> {
        let _one_at_a_time = self.pulling.lock().await;
        if self.is_present(docker, image).await? {
            return Ok(());
        }
        if !self.pull {
            return Err(missing(runtime, image, "pulling is turned off"));
        }
        tracing::info!(image, "pulling a runner image");
        self.pull(docker, image)
            .await
            .map_err(|error| missing(runtime, image, &error.to_string()))
    }

    async fn pull(&self, docker: &Docker, image: &str) -> Result<(), Error> {
        let (name, tag) = split_tag(image);
        let options = CreateImageOptionsBuilder::new().from_image(name).tag(tag).build();
        docker
            .create_image(Some(options), None, None)
            .try_for_each(|_progress| async { Ok(()) })
            .await
    }
}

fn missing(runtime: &str, image: &str, why: &str) -> EngineError {
    EngineError::RuntimeMissing {
        runtime: runtime.to_owned(),
        reason: format!(
            "the image {image} is not on this Docker host and could not be pulled ({why}); `cargo xtask images` builds \
             it, RUNNER_IMAGE_{}_URL names another one",
            runtime.to_uppercase()
        ),
    }
}

/// An image's name and its tag or digest. A colon before the last slash belongs to a registry's port.
fn split_tag(image: &str) -> (&str, &str) {
    if image.contains('@') {
        return (image, "");
    }
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_told_from_ports_and_digests() {
        assert_eq!(split_tag("jobber/runner-node:24"), ("jobber/runner-node", "24"));
        assert_eq!(
            split_tag("registry.test:5000/runner"),
            ("registry.test:5000/runner", "latest")
        );
        assert_eq!(
            split_tag("registry.test:5000/runner:1"),
            ("registry.test:5000/runner", "1")
        );
        assert_eq!(split_tag("runner@sha256:abc"), ("runner@sha256:abc", ""));
    }
}
