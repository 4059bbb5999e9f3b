//! Looking at the Docker engine behind Jobber's back.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptionsBuilder, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder,
};

/// The address of the daemon that the tests use.
pub(crate) fn host() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// A client of it.
pub(crate) fn client() -> Docker {
    Docker::connect_with_host(&host()).expect("the tests need Docker (`cargo xtask test` starts it)")
}

/// The containers of an instance, dead ones included.
pub(crate) async fn containers(instance: &str) -> Vec<ContainerSummary> {
    let filters = HashMap::from([("label", vec![format!("jobber.instance={instance}")])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    client().list_containers(Some(options)).await.unwrap()
}

/// What Docker knows about a container.
pub(crate) async fn inspect(container: &str) -> ContainerInspectResponse {
    client()
        .inspect_container(container, None::<InspectContainerOptions>)
        .await
        .unwrap()
}

/// Kills a container's process, as the machine's memory killer or an operator might.
pub(crate) async fn kill(container: &str) {
    let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
    client().kill_container(container, Some(options)).await.unwrap();
}

/// An instance's name of a test's own. Dropped, it takes its containers and its network with it, however the test ended.
#[derive(Debug)]
pub(crate) struct Instance(pub(crate) String);

impl Instance {
    /// A name that no other test has.
    pub(crate) fn unique(what: &str) -> Self {
        Self(format!(
            "test-{what}-{}",
            &uuid::Uuid::now_v7().simple().to_string()[20..]
        ))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let name = self.0.clone();
        // A destructor can not await, and the test's runtime may be going: one of its own, on a thread of its own.
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let docker = client();
                for container in containers(&name).await {
                    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                    // Gone by itself in the meantime is as good.
                    docker
                        .remove_container(&container.id.unwrap_or_default(), Some(options))
                        .await
                        .ok();
                }
                let filters = HashMap::from([("label", vec![format!("jobber.instance={name}")])]);
                let options = bollard::query_parameters::ListNetworksOptionsBuilder::new()
                    .filters(&filters)
                    .build();
                for network in docker.list_networks(Some(options)).await.unwrap_or_default() {
                    docker.remove_network(&network.id.unwrap_or_default()).await.ok();
                }
            });
        });
        if cleaning.join().is_err() && !std::thread::panicking() {
            panic!("the containers of {} could not be removed", self.0);
        }
    }
}
