//! What of a client's bytes the HTTP parser may have: one request at a time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

/// How much of the client's bytes the HTTP parser may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// A request's head, up to its end.
    Head(HeadScan),
    /// The head was handed over; nothing until the request is being served.
    Parsed,
    /// A body of this many bytes.
    Body(u64),
    /// Everything: a body of unknown length, or what is left of an upload that nobody wants.
    Open,
}

/// What the request that is being served brings with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A body of a known length; zero if there is none.
    Bytes(u64),
    /// A body that says itself where it ends.
    Unknown,
}

/// What the gateway's handler and the stream of its connection tell each other. Both live on one thread.
#[derive(Debug)]
pub(crate) struct Connection {
    gate: Cell<Gate>,
    serving: Cell<bool>,
    /// Whether some of an answer is still to be written.
    answering: Cell<bool>,
    /// Counts requests, so that a tick sees that there were some since the last one.
    requests: Cell<u64>,
    parked: RefCell<Option<Waker>>,
}

impl Connection {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            gate: Cell::new(Gate::Head(HeadScan::Before)),
            serving: Cell::new(false),
            answering: Cell::new(false),
            requests: Cell::new(0),
            parked: RefCell::new(None),
        })
    }

    /// A request is being served from now on.
    pub(crate) fn begin(&self, expected: Expected) {
        self.serving.set(true);
        self.answering.set(true);
        self.requests.set(self.requests.get().wrapping_add(1));
        self.gate.set(match expected {
            Expected::Bytes(bytes) => Gate::Body(bytes),
            Expected::Unknown => Gate::Open,
        });
        if expected != Expected::Bytes(0) {
            self.wake();
        }
    }

    /// The request was answered. `leftover`: some of its body was not read, so the connection is about to end and no
    /// further request can be found on it.
    pub(crate) fn finish(&self, leftover: bool) {
        self.serving.set(false);
        self.gate.set(if leftover {
            Gate::Open
        } else {
            Gate::Head(HeadScan::Before)
        });
        self.wake();
    }

    /// Takes from `fresh` what the parser may have now and says how many bytes that is.
    pub(super) fn pass(&self, fresh: &[u8]) -> usize {
        let gate = self.gate.get();
        let (passed, next) = match gate {
            Gate::Head(scan) => match scan.advance(fresh) {
                (HeadScan::Done, length) => (length, Gate::Parsed),
                (scan, length) => (length, Gate::Head(scan)),
            },
            Gate::Parsed => (0, gate),
            Gate::Body(left) => {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(fresh.len());
                (length, Gate::Body(left - length as u64))
            }
            Gate::Open => (fresh.len(), gate),
        };
        self.gate.set(next);
        passed
    }

    /// Whether the parser may have anything at all.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self.gate.get(), Gate::Parsed | Gate::Body(0))
    }

    /// Whether a request is with the handler, or its answer still being made.
    pub(super) fn is_serving(&self) -> bool {
        self.serving.get()
    }

    /// Whether some of an answer is still to be written.
    pub(super) fn is_answering(&self) -> bool {
        self.answering.get()
    }

    /// Number of requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Whether some of a head came, and not all of it.
    pub(super) fn awaits_head_rest(&self) -> bool {
        !matches!(self.gate.get(), Gate::Head(HeadScan::Before))
    }

    /// Everything was written that there was to write.
    pub(super) fn flushed(&self) {
        self.answering.set(self.serving.get());
    }

    pub(super) fn park(&self, cx: &Context<'_>) {
        *self.parked.borrow_mut() = Some(cx.waker().clone());
    }

    fn wake(&self) {
        if let Some(waker) = self.parked.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// Where in a request's head a reader is. Finds the empty line that ends it as liberally as the parser does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeadScan {
    /// Before the request line; empty lines are skipped.
    Before,
    /// Within a line.
    Line,
    /// After a line feed.
    LineEnd,
    /// After a line feed and a carriage return.
    MaybeEmpty,
    /// The empty line was seen.
    Done,
}

impl HeadScan {
    /// Reads on; says the new state and how many of the bytes belong to the head.
    fn advance(mut self, bytes: &[u8]) -> (Self, usize) {
        for (index, byte) in bytes.iter().enumerate() {
            self = match (self, byte) {
                (Self::Before, b'\r' | b'\n') => Self::Before,
                (Self::LineEnd | Self::MaybeEmpty, b'\n') => return (Self::Done, index + 1),
                (Self::LineEnd, b'\r') => Self::MaybeEmpty,
                (_, b'\n') => Self::LineEnd,
                _ => Self::Line,
            };
        }
        (self, bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of_head(bytes: &[u8]) -> Option<usize> {
        let (scan, length) = HeadScan::Before.advance(bytes);
        (scan == HeadScan::Done).then_some(length)
    }

    #[test]
    fn a_head_ends_at_its_empty_line() {
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET"), Some(27));
        assert_eq!(end_of_head(b"GET / HTTP/1.1\nhost: a\n\nGET"), Some(24));
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\nhost: a\n\r\n"), Some(26));
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\nhost: a\r\n"), None);
    }

    #[test]
    fn empty_lines_before_a_request_are_part_of_it() {
        assert_eq!(end_of_head(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Some(22));
    }

    #[test]
    fn a_head_may_come_byte_by_byte() {
        let head = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let mut scan = HeadScan::Before;
        for byte in head {
            assert_ne!(scan, HeadScan::Done);
            scan = scan.advance(&[*byte]).0;
        }
        assert_eq!(scan, HeadScan::Done);
    }
}
