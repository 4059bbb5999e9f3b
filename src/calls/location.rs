//! The addresses of calls, which nobody can guess.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jobber_actors::domain::InvocationId;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What the addresses begin with.
pub const PREFIX: &str = "/_jobber/invocations/";
/// Bytes of a token: as hard to guess as a key.
const TOKEN_BYTES: usize = 24;

/// Makes and checks the addresses of calls: the id, and a token that follows from it and from a secret of the database's. So the same
/// call has the same address on every server and at any time, and nothing of it needs to be kept.
pub struct Locations {
    secret: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Locations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Locations(…)")
    }
}

impl Locations {
    /// Addresses by this secret.
    #[must_use]
    pub fn new(secret: &SecretString) -> Self {
        Self {
            secret: Zeroizing::new(secret.expose_secret().as_bytes().to_vec()),
        }
    }

    /// The address of a call, as a path.
    #[must_use]
    pub fn of(&self, id: InvocationId) -> String {
        let tag = self.mac(id).finalize().into_bytes();
        format!("{PREFIX}{id}.{}", URL_SAFE_NO_PAD.encode(&tag[..TOKEN_BYTES]))
    }

    /// Which call is meant by what follows the prefix in its address. `None` if the token is wrong, which takes as long to find out
    /// whether the call exists or not.
    #[must_use]
    pub fn call(&self, text: &str) -> Option<InvocationId> {
        let (id, token) = text.split_once('.')?;
        let id = id
            .parse::<InvocationId>()
            .ok()
            .filter(|parsed| parsed.to_string() == id)?;
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        if token.len() != TOKEN_BYTES {
            return None;
        }
        // In constant time.
        self.mac(id).verify_truncated_left(&token).ok().map(|()| id)
    }

    /// A name for whoever has these credentials, from which nobody learns them. Keys of requests are told apart by it, so that
    /// nobody gets the address of another caller's call.
    #[must_use]
    pub fn caller<'a>(&self, credentials: impl Iterator<Item = &'a [u8]>) -> String {
        let mut mac = self.keyed();
        // Longer than an id, so that no token can come of it.
        mac.update(b"the caller of a request");
        for part in credentials {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..TOKEN_BYTES])
    }

    fn keyed(&self) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.secret).expect("a key may have any length")
    }

    fn mac(&self, id: InvocationId) -> Hmac<Sha256> {
        let mut mac = self.keyed();
        mac.update(id.as_uuid().as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_its_call_and_no_other_does() {
        let locations = Locations::new(&SecretString::from("secret"));
        let (one, other) = (InvocationId::generate(), InvocationId::generate());
        let location = locations.of(one);
        assert_eq!(location, locations.of(one));
        let text = location.strip_prefix(PREFIX).unwrap();
        assert_eq!(locations.call(text), Some(one));

        let token = text.split_once('.').unwrap().1;
        let upper = format!("{}.{token}", one.to_string().to_uppercase());
        for wrong in [
            format!("{other}.{token}"),
            format!("{one}.{}", &token[..token.len() - 4]),
            format!("{one}.{token}AAAA"),
            format!("{one}."),
            one.to_string(),
            upper,
            String::new(),
        ] {
            assert_eq!(locations.call(&wrong), None, "{wrong}");
        }
        assert_eq!(Locations::new(&SecretString::from("another")).call(text), None);
    }
}
