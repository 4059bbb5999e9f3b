//! A network for the runners of `jobber dev`, and the address at which they find the server on it.

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::Docker;
use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::InspectNetworkOptions;
use jobber_actors::ports::EngineError;

use super::container::INSTANCE_LABEL;
use super::error::{is_status, unreachable};

/// Makes a bridge network of this name unless it is there, and tells the host's address on it. Containers on it can not
/// reach each other, only the host and the outside.
///
/// # Errors
/// [`EngineError`] when the daemon does not answer or the network has no address of the host's.
pub async fn ensure_bridge(docker_host: &str, name: &str, instance: &str) -> Result<IpAddr, EngineError> {
    let docker = super::connect(docker_host)?;
    if let Some(address) = bridge_address(&docker, name).await? {
        return Ok(address);
    }
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        options: Some(HashMap::from([(
            "com.docker.network.bridge.enable_icc".to_owned(),
            "false".to_owned(),
        )])),
        labels: Some(HashMap::from([(INSTANCE_LABEL.to_owned(), instance.to_owned())])),
        ..NetworkCreateRequest::default()
    };
    match docker.create_network(request).await {
        Ok(_) => {}
        Err(error) if is_status(&error, 409) => {
            tracing::debug!(name, "the network was made at the same moment");
        }
        Err(error) => return Err(unreachable(&error)),
    }
    bridge_address(&docker, name)
        .await?
        .ok_or_else(|| EngineError::Unreachable(format!("the network {name} vanished after it was made")))
}

/// Removes a network made by [`ensure_bridge`]. One that is not there, or still in use, is left as it is.
///
/// # Errors
/// [`EngineError`] when the daemon does not answer.
pub async fn remove_bridge(docker_host: &str, name: &str) -> Result<(), EngineError> {
    match super::connect(docker_host)?.remove_network(name).await {
        Ok(()) => Ok(()),
        Err(error) if is_status(&error, 404) || is_status(&error, 403) || is_status(&error, 409) => Ok(()),
        Err(error) => Err(unreachable(&error)),
    }
}

/// The host's address on a network, `None` if there is no such network.
async fn bridge_address(docker: &Docker, name: &str) -> Result<Option<IpAddr>, EngineError> {
    let network = match docker.inspect_network(name, None::<InspectNetworkOptions>).await {
        Ok(network) => network,
        Err(error) if is_status(&error, 404) => return Ok(None),
        Err(error) => return Err(unreachable(&error)),
    };
    let gateways = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    gateways
        .into_iter()
        .filter_map(|config| config.gateway)
        .find_map(|gateway| gateway.split('/').next()?.parse().ok())
        .map(Some)
        .ok_or_else(|| EngineError::Unreachable(format!("the network {name} has no address of this host")))
}
