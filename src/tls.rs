//! Whom to trust. There is one TLS stack, rustls with ring, and no way to turn verification off.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How TLS is spoken by a client that trusts these certificates (PEM), or the system's. They are read anew for each
/// connection, so that a change of the system's is noticed.
///
/// # Errors
/// Why they can not be used.
pub(crate) async fn client_config(ca: Option<String>) -> Result<Arc<ClientConfig>, String> {
    let roots = spawn_blocking(move || match ca {
        Some(pem) => given_roots(&pem),
        None => system_roots(),
    })
    .await
    .map_err(|error| format!("the trusted certificates could not be read: {error}"))??;
    trusting(roots).map(Arc::new)
}

/// How TLS is spoken by a client that has nobody to speak it with.
///
/// # Errors
/// Why it can not be.
pub(crate) fn trusting_nobody() -> Result<ClientConfig, String> {
    trusting(RootCertStore::empty())
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS can not be used: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn given_roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
        let certificate =
            certificate.map_err(|error| format!("the certificates (`ca`) are no valid PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("certificate {} of `ca` can not be used: {error}", index + 1))?;
    }
    if roots.is_empty() {
        return Err(
            "`ca` holds no certificate: it needs at least one part between `-----BEGIN CERTIFICATE-----` and \
             `-----END CERTIFICATE-----`"
                .to_owned(),
        );
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A system may hold a certificate that rustls does not understand; the others are of use all the same.
    let (_, _ignored) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(format!(
            "this system trusts no certificate (install `ca-certificates`, or name the broker's with `ca`) {}",
            reasons.join("; ")
        ));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
    use tokio_rustls::rustls::{ProtocolVersion, ServerConfig, SupportedProtocolVersion, version};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    fn certificate() -> String {
        let key = KeyPair::generate().unwrap();
        CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .pem()
    }

    #[test]
    fn all_certificates_of_a_pem_are_trusted() {
        let pem = format!("a comment\n{}\n{}", certificate(), certificate());
        assert_eq!(given_roots(&pem).unwrap().len(), 2);
    }

    #[test]
    fn a_pem_without_a_certificate_is_refused() {
        let key = KeyPair::generate().unwrap().serialize_pem();
        for pem in ["", "not a certificate", key.as_str()] {
            let error = given_roots(pem).unwrap_err();
            assert!(error.starts_with("`ca` holds no certificate"), "{error}");
        }
    }

    #[test]
    fn a_broken_pem_is_refused() {
        let pem = certificate();
        let cut = &pem[..pem.len() / 2];
        assert!(given_roots(cut).unwrap_err().contains("no valid PEM"));
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let error = given_roots(&(certificate() + garbage)).unwrap_err();
        assert!(
            error.starts_with("certificate 2 of `ca` can not be used"),
            "{error}"
        );
    }

    /// What both sides come to where the server speaks nothing else.
    async fn agreed(only: &'static SupportedProtocolVersion) -> Option<ProtocolVersion> {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[only])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let client = client_config(Some(certificate.pem())).await.unwrap();
        let (ours, theirs) = tokio::io::duplex(16 * 1024);
        let name = ServerName::try_from("localhost").unwrap();
        let (ours, theirs) = tokio::join!(
            TlsConnector::from(client).connect(name, ours),
            TlsAcceptor::from(Arc::new(server)).accept(theirs),
        );
        theirs.unwrap();
        ours.unwrap().get_ref().1.protocol_version()
    }

    #[tokio::test]
    async fn servers_that_speak_tls_1_2_only_are_spoken_to() {
        assert_eq!(agreed(&version::TLS12).await, Some(ProtocolVersion::TLSv1_2));
        assert_eq!(agreed(&version::TLS13).await, Some(ProtocolVersion::TLSv1_3));
    }

    #[tokio::test]
    async fn the_systems_certificates_are_the_default() {
        client_config(None).await.unwrap();
    }
}
