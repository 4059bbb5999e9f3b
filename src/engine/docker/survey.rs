//! A look at a Docker daemon that changes nothing, for `jobber doctor`.

use std::path::PathBuf;

use bollard::query_parameters::InspectNetworkOptions;
use chrono::{DateTime, Utc};
use jobber_actors::ports::EngineError;

use super::error::{is_status, unreachable};
use super::images::Images;

/// What was seen of a daemon.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Its version.
    pub version: String,
    /// Its clock, if it tells the time.
    pub clock: Option<DateTime<Utc>>,
    /// Where it keeps images and volumes, on its own machine.
    pub root: Option<PathBuf>,
    /// The runtimes that it has, in the order of the alphabet.
    pub runtimes: Vec<String>,
    /// Whether the network that was asked for is there.
    pub has_network: bool,
    /// The images of those that were asked for which are not there.
    pub missing_images: Vec<String>,
}

/// Looks at the daemon, a network, and images.
///
/// # Errors
/// [`EngineError`] when the daemon does not answer.
pub async fn survey(
    host: &str,
    network: Option<&str>,
    images: impl IntoIterator<Item = &String>,
) -> Result<Survey, EngineError> {
    let docker = super::connect(host)?;
    let info = docker.info().await.map_err(|error| unreachable(&error))?;
    let has_network = match network {
        None => true,
        Some(name) => match docker.inspect_network(name, None::<InspectNetworkOptions>).await {
            Ok(_) => true,
            Err(error) if is_status(&error, 404) => false,
            Err(error) => return Err(unreachable(&error)),
        },
    };
    let looked = Images::new(false);
    let mut missing_images = Vec::new();
    for image in images {
        if !looked.is_present(&docker, image).await? {
            missing_images.push(image.clone());
        }
    }
    let runtimes = super::runtime::names(&info);
    let clock = info
        .system_time
        .and_then(|time| DateTime::parse_from_rfc3339(&time.to_string()).ok());
    Ok(Survey {
        version: info.server_version.unwrap_or_else(|| "unknown".to_owned()),
        runtimes,
        clock: clock.map(|clock| clock.to_utc()),
        root: info.docker_root_dir.map(PathBuf::from),
        has_network,
        missing_images,
    })
}
