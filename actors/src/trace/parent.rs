//! `traceparent`: read strictly, written in version 00.

use std::fmt;

use serde::{Serialize, Serializer};

use super::ids::{SpanId, TraceId};
use super::state::TraceState;

/// Characters of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// The flag of a caller that may have recorded its span. Other flags say nothing yet, and are not passed on.
const SAMPLED: u8 = 0x01;

/// The span of whoever asked for an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteParent {
    /// The trace.
    pub trace: TraceId,
    /// The caller's span.
    pub span: SpanId,
    /// Whether the caller may have recorded it.
    pub sampled: bool,
    /// What vendors say of the trace.
    pub state: Option<TraceState>,
}

impl RemoteParent {
    /// Reads the values of all fields of these two names. `None` if there is not exactly one `traceparent`, or if it is not
    /// right to the letter: then a new trace begins. A `tracestate` that is wrong is left out, and the trace goes on.
    #[must_use]
    pub fn parse<'v>(
        traceparents: impl IntoIterator<Item = &'v str>,
        tracestates: impl IntoIterator<Item = &'v str>,
    ) -> Option<Self> {
        let mut traceparents = traceparents.into_iter();
        let Traceparent { trace, span, sampled } = Traceparent::parse(traceparents.next()?)?;
        if traceparents.next().is_some() {
            return None;
        }
        Some(Self {
            trace,
            span,
            sampled,
            state: TraceState::parse(tracestates),
        })
    }
}

/// A `traceparent` without its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// The trace.
    pub trace: TraceId,
    /// The span that is the parent of what is done next.
    pub span: SpanId,
    /// Whether it may have been recorded.
    pub sampled: bool,
}

impl Traceparent {
    /// Reads one value. What a version after 00 adds at the end is ignored, as the standard has it.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (known, more) = value.as_bytes().split_at_checked(LENGTH)?;
        let version = hex(&known[0..2])?;
        let complete = match version {
            0x00 => more.is_empty(),
            0xff => false,
            _ => matches!(more.first(), None | Some(b'-')),
        };
        let parted = [2, 35, 52].into_iter().all(|at| known[at] == b'-');
        if !(complete && parted) {
            return None;
        }
        // 16, 8 and one byte: what they hold always fits.
        let span = u64::try_from(hex(&known[36..52])?).ok()?;
        let flags = u8::try_from(hex(&known[53..55])?).ok()?;
        Some(Self {
            trace: TraceId::new(hex(&known[3..35])?)?,
            span: SpanId::new(span)?,
            sampled: flags & SAMPLED != 0,
        })
    }

    /// Writes it, in version 00.
    fn write(self) -> [u8; LENGTH] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let flags = if self.sampled { SAMPLED } else { 0 };
        write_hex(&mut text[3..35], self.trace.number());
        write_hex(&mut text[36..52], self.span.number().into());
        write_hex(&mut text[53..55], flags.into());
        text
    }

    fn with_text<T>(self, read: impl FnOnce(&str) -> T) -> T {
        let bytes = self.write();
        read(std::str::from_utf8(&bytes).expect("hexadecimal digits and hyphens"))
    }
}

/// Digits in lower case only.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u128::from(value))
    })
}

fn write_hex(digits: &mut [u8], mut number: u128) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl Serialize for Traceparent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}
