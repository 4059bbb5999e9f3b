//! The runners' network with `--engine docker`.

use std::net::IpAddr;

use tokio::runtime::Handle;

use crate::bootstrap::on;
use crate::config::Config;
use crate::engine::docker::{ensure_bridge, remove_bridge};

/// A bridge network of this server's own, on which runners find its manager.
#[derive(Debug)]
pub(super) struct Bridge {
    docker_host: String,
    name: String,
    address: IpAddr,
}

impl Bridge {
    /// Makes the network and sets the configuration up for it.
    pub(super) async fn make(config: &mut Config, io: &Handle) -> anyhow::Result<Self> {
        let (docker_host, instance) = (config.runners.docker_host.clone(), config.server.name.clone());
        let name = format!("jobber-{instance}");
        let (host, network) = (docker_host.clone(), name.clone());
        let address = on(io, async move { ensure_bridge(&host, &network, &instance).await }).await??;
        config.runners.network = Some(name.clone());
        config.server.manager_host = Some(address.to_string());
        Ok(Self {
            docker_host,
            name,
            address,
        })
    }

    /// The server's address on it.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    pub(super) async fn remove(self) {
        if let Err(error) = remove_bridge(&self.docker_host, &self.name).await {
            tracing::warn!(%error, network = self.name, "the runners' network could not be removed");
        }
    }
}
