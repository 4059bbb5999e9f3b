//! Keeps the beginning of a body that goes by.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use crate::ports::CapturedBody;

/// Most bytes that are kept of a body.
const MOST_BYTES: usize = 16 * 1024;

/// A body that goes by. Clones share what was seen of it: one is held by whoever sends the body, one by its entry.
#[derive(Clone, Debug)]
pub(crate) struct Capturing {
    seen: Arc<Mutex<Seen>>,
    /// Whether bytes are kept, besides being counted.
    keeps: bool,
}

#[derive(Debug, Default)]
struct Seen {
    beginning: BytesMut,
    total: u64,
}

/// What an entry knows of a body.
#[derive(Debug, Default)]
pub(super) enum Body {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It was there as a whole.
    Whole {
        /// Its beginning, if it is kept.
        beginning: Bytes,
        /// Its length.
        total: u64,
    },
    /// It goes by in pieces.
    Passing(Capturing),
}

impl Capturing {
    /// A body of which nothing went by yet.
    pub(crate) fn new(keeps: bool) -> Self {
        Self {
            seen: Arc::default(),
            keeps,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This goes by.
    pub(crate) fn pass(&self, chunk: &[u8]) {
        let mut seen = self.seen();
        seen.total += chunk.len() as u64;
        if self.keeps {
            let room = MOST_BYTES.saturating_sub(seen.beginning.len());
            let part = chunk.get(..room).unwrap_or(chunk);
            seen.beginning.extend_from_slice(part);
        }
    }
}

impl Body {
    /// A body that is there as a whole.
    pub(super) fn whole(body: &Bytes, keeps: bool) -> Self {
        // A piece of a frame shares the read buffer of its connection. It is copied when it is known that it is kept.
        let beginning = if keeps {
            body.slice(..body.len().min(MOST_BYTES))
        } else {
            Bytes::new()
        };
        Self::Whole {
            beginning,
            total: body.len() as u64,
        }
    }

    /// Its length, as far as it is known.
    pub(super) fn total(&self) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::Whole { total, .. } => Some(*total),
            Self::Passing(capturing) => Some(capturing.seen().total),
        }
    }

    /// What is kept of it.
    pub(super) fn captured(&self) -> CapturedBody {
        let (beginning, total) = match self {
            Self::Unknown => return CapturedBody::default(),
            Self::Whole { beginning, total } => (Bytes::copy_from_slice(beginning), *total),
            Self::Passing(capturing) => {
                let seen = capturing.seen();
                (Bytes::copy_from_slice(&seen.beginning), seen.total)
            }
        };
        CapturedBody {
            truncated: total > beginning.len() as u64,
            bytes: beginning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_kept_and_all_is_counted() {
        let passing = Capturing::new(true);
        let body = Body::Passing(passing.clone());
        passing.pass(&[1; MOST_BYTES - 1]);
        assert!(!body.captured().truncated);
        passing.pass(&[2; 10]);
        let captured = body.captured();
        assert_eq!(captured.bytes.len(), MOST_BYTES);
        assert_eq!(captured.bytes.last(), Some(&2));
        assert!(captured.truncated);
        assert_eq!(body.total(), Some(MOST_BYTES as u64 + 9));
    }

    #[test]
    fn a_body_that_is_not_kept_is_counted_only() {
        let passing = Capturing::new(false);
        passing.pass(b"secret");
        let body = Body::Passing(passing);
        assert_eq!(body.total(), Some(6));
        assert!(body.captured().bytes.is_empty());
        let body = Body::whole(&Bytes::from_static(b"secret"), false);
        assert_eq!((body.total(), body.captured().bytes.len()), (Some(6), 0));
    }
}
