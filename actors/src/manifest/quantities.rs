//! Amounts with their units, and how they are written in a manifest.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// Why a text is no number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a size is a whole number with a unit: `b`, `k`, `m` or `g`, such as `512m`")]
pub struct ByteSizeError;

impl ByteSize {
    /// This many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// This many times 1,048,576 bytes.
    #[must_use]
    pub const fn from_mebibytes(mebibytes: u32) -> Self {
        Self((mebibytes as u64) << 20)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Reads a size as Docker writes it: digits and one of `b`, `k`, `m`, `g` (powers of 1,024).
    ///
    /// # Errors
    /// [`ByteSizeError`] for anything else, also for a number that does not fit.
    pub fn parse(text: &str) -> Result<Self, ByteSizeError> {
        let shift = match text.as_bytes().last() {
            Some(b'b') => 0,
            Some(b'k') => 10,
            Some(b'm') => 20,
            Some(b'g') => 30,
            _ => return Err(ByteSizeError),
        };
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ByteSizeError);
        }
        let number: u64 = digits.parse().map_err(|_| ByteSizeError)?;
        number.checked_mul(1 << shift).map(Self).ok_or(ByteSizeError)
    }
}

impl fmt::Display for ByteSize {
    /// In the largest unit that leaves a whole number: `512m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, 'g'), (20, 'm'), (10, 'k')];
        match units
            .into_iter()
            .find(|(shift, _)| self.0 > 0 && self.0.is_multiple_of(1 << shift))
        {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}b", self.0),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An amount of processor time per time: 1 is one processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cpus(NonZeroU32);

impl Cpus {
    /// The least that Docker can enforce.
    pub(super) const LEAST_MILLI: u32 = 10;
    /// More than any machine has.
    pub(super) const MOST_MILLI: u32 = 1_024_000;

    /// Thousandths of a processor, of which there must be some.
    #[must_use]
    pub const fn from_milli(milli: NonZeroU32) -> Self {
        Self(milli)
    }

    /// Thousandths of a processor.
    #[must_use]
    pub const fn milli(self) -> u32 {
        self.0.get()
    }
}

impl Serialize for Cpus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.milli()) / 1000.0)
    }
}

/// Writes a duration in seconds, whole ones as an integer.
pub(super) fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    if duration.subsec_millis() == 0 {
        serializer.serialize_u64(duration.as_secs())
    } else {
        serializer.serialize_f64(duration.as_secs_f64())
    }
}

/// Writes a duration in seconds, and "never" as 0.
pub(super) fn as_seconds_or_never<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    as_seconds(&duration.unwrap_or_default(), serializer)
}

/// Writes a number, and "no limit" as 0.
pub(super) fn as_number_or_unlimited<S: Serializer>(
    number: &Option<NonZeroU32>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(number.map_or(0, NonZeroU32::get))
}
