//! What a runner's process writes outside of its session, cut into lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jobber_actors::domain::RunnerId;
use jobber_actors::ports::OutputStream;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::outbox::Outbox;

/// Most bytes of one line; the rest of a longer one is cut off.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// What is read from a pipe at once.
const READ_BYTES: usize = 16 * 1024;
/// Said at the end of a line that was cut off.
const CUT: &str = " … (cut off)";
/// What V8 writes when the heap limit ends the process (exit by SIGABRT, which alone could mean anything).
const HEAP_EXHAUSTED: &str = "JavaScript heap out of memory";

/// Cuts a stream of bytes into lines without ever holding more than [`MAX_LINE_BYTES`].
#[derive(Debug, Default)]
struct LineCutter {
    held: Vec<u8>,
    /// The rest of the present line is over the limit and is dropped.
    overlong: bool,
}

impl LineCutter {
    fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(String)) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.hold(&bytes[..end]);
            line(self.take());
            bytes = &bytes[end + 1..];
        }
        self.hold(bytes);
    }

    /// The last line, if the stream did not end with a line feed.
    fn finish(&mut self) -> Option<String> {
        (!self.held.is_empty()).then(|| self.take())
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_BYTES - CUT.len() - self.held.len();
        self.held.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.overlong |= bytes.len() > room;
    }

    fn take(&mut self) -> String {
        if self.held.last() == Some(&b'\r') {
            self.held.pop();
        }
        let mut text = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        if std::mem::take(&mut self.overlong) {
            // Replacing bytes that are no UTF-8 may have made the text longer than it was.
            text.truncate(text.floor_char_boundary(MAX_LINE_BYTES - CUT.len()));
            text.push_str(CUT);
        }
        text.truncate(text.floor_char_boundary(MAX_LINE_BYTES));
        text
    }
}

/// Turns one stream of a runner's output into events. Lines that find no room are counted and told about later.
#[derive(Debug)]
pub(super) struct OutputPump {
    outbox: Arc<Outbox>,
    runner: RunnerId,
    stream: OutputStream,
    cutter: LineCutter,
    dropped: u64,
    heap_exhausted: Arc<AtomicBool>,
}

impl OutputPump {
    pub(super) fn new(
        outbox: Arc<Outbox>,
        runner: RunnerId,
        stream: OutputStream,
        heap_exhausted: Arc<AtomicBool>,
    ) -> Self {
        Self {
            outbox,
            runner,
            stream,
            cutter: LineCutter::default(),
            dropped: 0,
            heap_exhausted,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut cutter = std::mem::take(&mut self.cutter);
        cutter.feed(bytes, |line| self.deliver(line));
        self.cutter = cutter;
    }

    pub(super) fn finish(mut self) {
        if let Some(line) = self.cutter.finish() {
            self.deliver(line);
        }
        if self.dropped > 0 && !self.tell_dropped() {
            tracing::warn!(runner = %self.runner, lines = self.dropped, "output of a runner was dropped");
        }
    }

    /// Reads a pipe to its end. A process that floods it is slowed by the pipe, never by this reader's memory.
    pub(super) async fn drain(mut self, mut pipe: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match pipe.read(&mut buffer).await {
                Ok(0) => break,
                Ok(count) => self.feed(&buffer[..count]),
                Err(error) => {
                    tracing::debug!(runner = %self.runner, %error, "a runner's output could not be read");
                    break;
                }
            }
        }
        self.finish();
    }

    fn deliver(&mut self, line: String) {
        if self.stream == OutputStream::Stderr && line.contains(HEAP_EXHAUSTED) {
            self.heap_exhausted.store(true, Ordering::Relaxed);
        }
        // While earlier drops can not even be told of, there is no room for this line either.
        let caught_up = self.dropped == 0 || self.tell_dropped();
        if !caught_up || !self.outbox.line(self.runner, self.stream, line) {
            self.dropped += 1;
        }
    }

    fn tell_dropped(&mut self) -> bool {
        let told = self.outbox.line(
            self.runner,
            OutputStream::System,
            format!(
                "{} lines of the process's own output were dropped: too many at once",
                self.dropped
            ),
        );
        if told {
            self.dropped = 0;
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use jobber_actors::ports::EngineEvent;

    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut cutter = LineCutter::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            cutter.feed(chunk, |line| lines.push(line));
        }
        lines.extend(cutter.finish());
        lines
    }

    #[test]
    fn lines_are_cut_wherever_the_chunks_end() {
        assert_eq!(
            lines(&[b"on", b"e\ntwo\r\n\nfo", b"ur"]),
            ["one", "two", "", "four"]
        );
    }

    #[test]
    fn a_line_without_end_is_cut_off_and_the_next_one_is_whole() {
        let mut chunks: Vec<&[u8]> = vec![&[b'x'; 10_000]; 20];
        chunks.push(b"\nnext\n");
        let lines = lines(&chunks);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), MAX_LINE_BYTES);
        assert!(lines[0].ends_with(CUT));
        assert_eq!(lines[1], "next");
    }

    #[test]
    fn bytes_that_are_no_text_stay_below_the_limit() {
        let chunks: Vec<&[u8]> = vec![&[0xff; 10_000]; 20];
        assert!(lines(&chunks)[0].len() <= MAX_LINE_BYTES);
    }

    #[test]
    fn a_flood_is_dropped_and_counted_and_an_exit_still_finds_room() {
        let outbox = Arc::new(Outbox::new());
        let mut events = outbox.take_receiver().unwrap();
        let runner = RunnerId::generate();
        let mut pump = OutputPump::new(outbox.clone(), runner, OutputStream::Stdout, Arc::default());

        for _ in 0..10_000 {
            pump.feed(b"flood\n");
        }
        let mut delivered = 0;
        while events.try_recv().is_ok() {
            delivered += 1;
        }
        pump.feed(b"after\n");

        let EngineEvent::Output { line: told, .. } = events.try_recv().unwrap() else {
            panic!()
        };
        assert!(
            told.starts_with(&format!("{} lines", 10_000 - delivered)),
            "{told}"
        );
        assert!(matches!(events.try_recv().unwrap(), EngineEvent::Output { line, .. } if line == "after"));
    }
}
