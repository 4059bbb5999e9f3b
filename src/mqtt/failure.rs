//! What a connection failed of, in words for people.

use std::io;

use rumqttc_v5::TlsError;
use tokio_rustls::rustls::{CertificateError, Error as RustlsError};

/// Most characters of a text of the broker's that are shown.
const FOREIGN_CHARACTERS: usize = 200;

/// What went wrong with bytes: below MQTT, or with our own connector, whose errors have words already.
pub(super) fn io(error: &io::Error) -> String {
    if let Some(error) = error.get_ref().and_then(|error| error.downcast_ref()) {
        return rustls(error);
    }
    match error.kind() {
        io::ErrorKind::ConnectionReset => "the broker reset the connection".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            closed()
        }
        io::ErrorKind::TimedOut => "the broker does not answer any more".to_owned(),
        _ => error.to_string(),
    }
}

/// What went wrong with the beginning of TLS.
pub(super) fn tls(error: &TlsError) -> String {
    match error {
        TlsError::Io(error)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
            ) =>
        {
            "the broker closed the connection while TLS was being agreed on".to_owned()
        }
        TlsError::Io(error) => io(error),
        TlsError::TLS(error) => rustls(error),
        error => format!("TLS failed: {error}"),
    }
}

fn rustls(error: &RustlsError) -> String {
    match error {
        RustlsError::InvalidCertificate(error) => certificate(error),
        RustlsError::InvalidMessage(_) => {
            format!("the broker does not seem to speak TLS on this port ({error})")
        }
        error => format!("TLS failed: {error}"),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "the broker's certificate is not trusted: no certificate of the system or of `ca` stands for it"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the broker's certificate is for another host ({error})")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the broker's certificate has expired ({error})")
        }
        error => format!("the broker's certificate can not be accepted: {error}"),
    }
}

/// The other side ended the connection without a word.
pub(super) fn closed() -> String {
    "the broker closed the connection".to_owned()
}

/// A ping had no answer.
pub(super) fn silent() -> String {
    format!(
        "the broker did not answer a ping within {} seconds",
        super::KEEP_ALIVE_SECONDS
    )
}

/// The broker did not let the client in.
pub(super) fn refused(reason: &str) -> String {
    format!("the broker refused the client: {reason}")
}

/// A packet was too large.
pub(super) fn too_large(packet_bytes: usize, limit: usize) -> String {
    format!("the broker sent a packet of {packet_bytes} bytes, more than the limit of {limit} bytes")
}

/// A text of the broker's, fit for a log.
pub(super) fn foreign(text: &str) -> String {
    text.chars()
        .flat_map(char::escape_debug)
        .take(FOREIGN_CHARACTERS)
        .collect()
}

/// Something that the protocol does not allow.
pub(super) fn protocol(what: impl std::fmt::Display) -> String {
    format!("the broker broke the protocol: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_told_apart() {
        let told = |error| {
            tls(&TlsError::Io(io::Error::new(
                io::ErrorKind::InvalidData,
                RustlsError::InvalidCertificate(error),
            )))
        };
        assert!(told(CertificateError::UnknownIssuer).contains("is not trusted"));
        assert!(told(CertificateError::NotValidForName).contains("for another host"));
        assert!(told(CertificateError::Expired).contains("has expired"));
        assert!(told(CertificateError::BadSignature).contains("can not be accepted"));
    }

    #[test]
    fn foreign_texts_are_short_and_on_one_line() {
        assert_eq!(foreign("a\nb"), "a\\nb");
        assert_eq!(foreign(&"x".repeat(1_000)).len(), FOREIGN_CHARACTERS);
    }

    #[test]
    fn ends_of_a_connection_are_told_without_numbers() {
        let told = |kind: io::ErrorKind| io(&kind.into());
        assert_eq!(
            told(io::ErrorKind::ConnectionReset),
            "the broker reset the connection"
        );
        assert_eq!(
            told(io::ErrorKind::UnexpectedEof),
            "the broker closed the connection"
        );
        assert_eq!(
            told(io::ErrorKind::TimedOut),
            "the broker does not answer any more"
        );
        assert_eq!(io(&io::Error::other("own words")), "own words");
    }
}
