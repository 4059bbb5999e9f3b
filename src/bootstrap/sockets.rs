//! The sockets that a server listens on.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use super::BootstrapError;
use crate::config::ServerSection;

/// The sockets, bound before anything else so that a taken port is known at once.
#[derive(Debug)]
pub struct Sockets {
    pub(super) admin: TcpListener,
    pub(super) gateway: TcpListener,
    pub(super) managers: Vec<TcpListener>,
}

impl Sockets {
    /// Binds all ports. `runners` is a further address on which the manager listens, on the same port.
    ///
    /// # Errors
    /// [`BootstrapError::Listen`].
    pub fn bind(server: &ServerSection, runners: Option<IpAddr>) -> Result<Self, BootstrapError> {
        let admin = listen(server.admin.address(), "ADMIN_PORT")?;
        let gateway = listen(server.gateway.address(), "GATEWAY_PORT")?;
        let manager = listen(server.manager.address(), "MANAGER_PORT")?;
        let mut managers = Vec::new();
        if let Some(address) = runners {
            let port = manager.local_addr()?.port();
            managers.push(listen((address, port).into(), "MANAGER_PORT")?);
        }
        managers.insert(0, manager);
        Ok(Self {
            admin,
            gateway,
            managers,
        })
    }

    pub(super) fn manager_port(&self) -> io::Result<u16> {
        self.managers.first().map_or(Ok(0), |manager| {
            manager.local_addr().map(|address| address.port())
        })
    }
}

fn listen(address: SocketAddr, variable: &'static str) -> Result<TcpListener, BootstrapError> {
    TcpListener::bind(address).map_err(|source| BootstrapError::Listen {
        address,
        variable,
        source,
    })
}
