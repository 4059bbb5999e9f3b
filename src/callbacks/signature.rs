//! Signatures of callbacks, by the scheme of Standard Webhooks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How a secret begins.
const MARK: &str = "whsec_";
/// How a signature begins.
const VERSION: &str = "v1,";

/// Why something can not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The secret is not as secrets are.
    #[error("the secret is not `whsec_` and base64")]
    Secret,
}

/// What goes with a callback to prove where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature(String);

impl Signature {
    /// Signs the body of the message `id`, sent at `timestamp` (seconds since 1970), with each of the secrets.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn of<'a>(
        id: &str,
        timestamp: i64,
        body: &[u8],
        secrets: impl IntoIterator<Item = &'a SecretString>,
    ) -> Result<Self, SignatureError> {
        let signatures = secrets.into_iter().map(|secret| {
            let encoded = secret
                .expose_secret()
                .strip_prefix(MARK)
                .ok_or(SignatureError::Secret)?;
            let key = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| SignatureError::Secret)?);
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| SignatureError::Secret)?;
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            Ok(format!(
                "{VERSION}{}",
                STANDARD.encode(mac.finalize().into_bytes())
            ))
        });
        Ok(Self(signatures.collect::<Result<Vec<_>, _>>()?.join(" ")))
    }

    /// The value of the header `webhook-signature`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out by hand with `openssl dgst -sha256 -mac HMAC`.
    #[test]
    fn a_signature_is_as_the_scheme_says() {
        let secret = SecretString::from("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        let signed =
            |secrets: &[SecretString]| Signature::of("msg_1", 1_700_000_000, b"{\"a\":1}", secrets).unwrap();
        let one = signed(std::slice::from_ref(&secret));
        assert_eq!(one.as_str(), "v1,AMaOha7DUT/0J0JMycRuYOBSvbx3WtwLd2khXXbaVj4=");
        let other = SecretString::from("whsec_c2VjcmV0");
        let both = signed(&[secret, other]);
        assert!(
            both.as_str().starts_with(&format!("{} v1,", one.as_str())),
            "{both:?}"
        );
    }

    #[test]
    fn what_is_no_secret_signs_nothing() {
        for secret in ["", "c2VjcmV0", "whsec_!"] {
            let signed = Signature::of("a", 1, b"", [&SecretString::from(secret)]);
            assert_eq!(signed, Err(SignatureError::Secret), "{secret}");
        }
    }
}
