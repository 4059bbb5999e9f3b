//! Requests that this program makes of other servers.

use std::sync::Arc;

use reqwest::{Client, ClientBuilder};

use crate::tls;

/// A client that trusts whom the system trusts.
///
/// # Errors
/// Why the system's certificates can not be used.
pub(crate) async fn client() -> Result<ClientBuilder, String> {
    let config = tls::client_config(None).await?;
    Ok(Client::builder().tls_backend_preconfigured(Arc::unwrap_or_clone(config)))
}

/// A client for servers on this machine or a network of its own: it trusts no certificate, and so speaks no `https`.
///
/// # Panics
/// Never: ring has what TLS needs.
pub fn without_tls() -> ClientBuilder {
    let config = tls::trusting_nobody().expect("ring has what TLS 1.2 and 1.3 need");
    Client::builder().tls_backend_preconfigured(config)
}
