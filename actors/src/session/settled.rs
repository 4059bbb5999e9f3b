//! Handlers that have settled without an answer. Those of messages do so by the hundred in one read: what comes of it is done for
//! many at once, so that locks that others want as well are taken once for all of them.

use tokio::time::Instant;

use super::Session;
use super::reader::Violation;
use super::stream::{Freed, Stream};
use crate::invocation::Outcome;
use crate::protocol::FrameKind;

/// So many are put together at most: none of them waits long for its end.
const AT_ONCE: usize = 64;

/// Streams of which the runner has said, one after the other, that they have settled.
#[derive(Debug, Default)]
pub(super) struct Settled {
    numbers: Vec<u32>,
    /// Those that are being ended; kept for its memory.
    streams: Vec<Stream>,
}

impl Settled {
    /// One more.
    pub(super) fn add(&mut self, session: &Session, number: u32, freed: &mut Freed) -> Result<(), Violation> {
        self.numbers.push(number);
        if self.numbers.len() < AT_ONCE {
            return Ok(());
        }
        self.end(session, freed)
    }

    /// Forgets them and tells whoever waits for them. Those before one that is not open are ended all the same.
    pub(super) fn end(&mut self, session: &Session, freed: &mut Freed) -> Result<(), Violation> {
        if self.numbers.is_empty() {
            return Ok(());
        }
        {
            let mut open = session.streams();
            let known = self.numbers.iter().map_while(|number| open.remove(*number));
            self.streams.extend(known);
        }
        let unknown = self.numbers.get(self.streams.len()).copied();
        self.numbers.clear();
        // The places are free before anybody hears of it.
        freed.places_of(&mut self.streams);
        let now = Instant::now();
        for mut stream in self.streams.drain(..) {
            stream.end_at(Outcome::Settled, now);
        }
        match unknown {
            Some(stream) => Err(Violation::NoStream {
                kind: FrameKind::Settled.name(),
                stream,
            }),
            None => Ok(()),
        }
    }
}
