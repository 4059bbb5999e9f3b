//! The publisher: writes MQTT 3.1.1 itself, many messages with one system call, so that it costs next to nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// No answer of the broker may take this long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages written at once.
const BATCH: usize = 128;
/// Of QoS 1, messages without an acknowledgement.
const WINDOW: usize = 1_024;
/// Between two looks at how much is to be sent by now.
const TICK: Duration = Duration::from_micros(500);

/// `CONNECT` with a clean session, no keep alive, and the client id `bench`.
const CONNECT: &[u8] = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench";
/// `CONNACK`: accepted.
const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
const PUBLISH: u8 = 0x30;
const PUBLISH_QOS_1: u8 = 0x32;
/// The bytes of a `PUBACK`.
const ACKNOWLEDGEMENT: usize = 4;

/// A connected publisher.
pub(crate) struct Publisher {
    stream: TcpStream,
}

impl Publisher {
    pub(crate) fn connect(broker: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(broker)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(CONNECT)?;
        let mut answer = [0; ACCEPTED.len()];
        stream.read_exact(&mut answer)?;
        ensure!(
            answer == ACCEPTED,
            "the broker answers {answer:?} to the publisher"
        );
        Ok(Self { stream })
    }

    /// Publishes with QoS 1; when this returns, the broker has acknowledged all.
    pub(crate) fn preload(&mut self, topic: &str, payload: &[u8], messages: usize) -> Result<()> {
        let (mut sent, mut acknowledged) = (0, 0);
        let mut batch = Vec::new();
        let mut answers = [0; ACKNOWLEDGEMENT * WINDOW];
        // Bytes of acknowledgements; a read may end in the middle of one.
        let mut read = 0;
        while acknowledged < messages {
            batch.clear();
            let room = (WINDOW - (sent - acknowledged)).min(messages - sent);
            for _ in 0..room.min(BATCH) {
                // From 1 on; 0 is not allowed.
                let packet = u16::try_from(sent % usize::from(u16::MAX))? + 1;
                append(&mut batch, topic, Some(packet), payload)?;
                sent += 1;
            }
            self.stream.write_all(&batch)?;
            let more = self.stream.read(&mut answers)?;
            ensure!(more > 0, "the broker closed the publisher's connection");
            read += more;
            acknowledged = read / ACKNOWLEDGEMENT;
        }
        Ok(())
    }

    /// Publishes with QoS 0, so many messages each second, until it is told to stop. `sent` counts them.
    pub(crate) fn pace(
        &mut self,
        topic: &str,
        payload: &[u8],
        rate: f64,
        stop: &AtomicBool,
        sent: &AtomicU64,
    ) -> Result<()> {
        let mut one = Vec::new();
        append(&mut one, topic, None, payload)?;
        let batch = one.repeat(BATCH);
        let begun = Instant::now();
        let mut written = 0;
        while !stop.load(Ordering::Relaxed) {
            let due = (begun.elapsed().as_secs_f64() * rate) as u64;
            let now = usize::try_from(due.saturating_sub(written))?.min(BATCH);
            if now == 0 {
                std::thread::park_timeout(TICK);
                continue;
            }
            self.stream.write_all(&batch[..now * one.len()])?;
            written += now as u64;
            sent.store(written, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Appends a `PUBLISH`, of QoS 1 if it has a packet id.
fn append(to: &mut Vec<u8>, topic: &str, packet: Option<u16>, payload: &[u8]) -> Result<()> {
    to.push(if packet.is_some() { PUBLISH_QOS_1 } else { PUBLISH });
    let mut rest = 2 + topic.len() + packet.map_or(0, |_| 2) + payload.len();
    // Seven bits in a byte; the eighth says that there is another.
    loop {
        let more = if rest > 0x7f { 0x80 } else { 0 };
        to.push(u8::try_from(rest & 0x7f)? | more);
        rest >>= 7;
        if rest == 0 {
            break;
        }
    }
    to.extend(u16::try_from(topic.len())?.to_be_bytes());
    to.extend(topic.as_bytes());
    to.extend(packet.into_iter().flat_map(u16::to_be_bytes));
    to.extend(payload);
    Ok(())
}
