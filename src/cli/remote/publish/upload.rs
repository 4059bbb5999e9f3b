//! Sending the zip, with its progress for the person who waits.

use std::io::{IsTerminal, Write, stderr};

use futures_util::StreamExt;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method};
use serde_json::Value;
use tokio_util::io::ReaderStream;

use super::pack::Packed;
use crate::cli::output::note;
use crate::cli::remote::client::{Client, ROLLOUT};
use crate::cli::text::bytes;

/// What is read of the file at once.
const PIECE: usize = 64 << 10;

/// How to publish.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) rollout: bool,
    pub(super) force: bool,
}

/// Sends the zip, and gives what publishing came to.
pub(super) async fn upload(client: &Client, packed: &Packed, options: Options) -> anyhow::Result<Value> {
    let file = tokio::fs::File::from_std(packed.file.reopen()?);
    let mut progress = Progress::new(packed.bytes);
    let body = ReaderStream::with_capacity(file, PIECE).inspect(move |piece| {
        if let Ok(piece) = piece {
            progress.add(piece.len() as u64);
        }
    });
    let request = client
        .request(Method::POST, "/api/job/publish")
        .query(&[
            ("allowAutomaticRollout", options.rollout),
            ("force", options.force),
        ])
        .header(CONTENT_TYPE, "application/zip")
        .header(CONTENT_LENGTH, packed.bytes)
        .body(Body::wrap_stream(body));
    let mut answer = client.answer(request, ROLLOUT).await?;
    Ok(answer["data"].take())
}

/// How much has been sent; shown on a terminal only.
struct Progress {
    total: u64,
    sent: u64,
    shown: Option<u64>,
    terminal: bool,
}

impl Progress {
    fn new(total: u64) -> Self {
        Self {
            total,
            sent: 0,
            shown: None,
            terminal: stderr().is_terminal(),
        }
    }

    fn add(&mut self, count: u64) {
        self.sent += count;
        let percent = percent(self.sent, self.total);
        if self.terminal && self.shown != Some(percent) {
            self.shown = Some(percent);
            let mut out = stderr().lock();
            // Nobody is left to be told of a terminal that takes nothing.
            let _closed =
                write!(out, "\ruploading {percent:>3} % of {}", bytes(self.total)).and_then(|()| out.flush());
        }
        if self.sent == self.total {
            let line = if self.terminal { "\n" } else { "" };
            note(&format!("{line}uploaded; waiting until the version serves …"));
        }
    }
}

fn percent(part: u64, total: u64) -> u64 {
    part.saturating_mul(100)
        .checked_div(total)
        .unwrap_or(100)
        .min(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_part_of_the_whole() {
        assert_eq!(
            (percent(0, 10), percent(5, 10), percent(10, 10), percent(0, 0)),
            (0, 50, 100, 100)
        );
    }
}
