//! The ids of traces and spans. All zeros is none.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use crate::domain::InvocationId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $nonzero:ty, $number:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name($nonzero);

        impl $name {
            /// The id of this number; none is zero.
            #[must_use]
            pub const fn new(number: $number) -> Option<Self> {
                match <$nonzero>::new(number) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// A new one.
            #[must_use]
            pub fn random() -> Self {
                loop {
                    if let Some(id) = Self::new(rand::random()) {
                        return id;
                    }
                }
            }

            /// As a number: its bytes, the first one highest.
            #[must_use]
            pub const fn number(self) -> $number {
                self.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:0width$x}", self.0.get(), width = size_of::<$number>() * 2)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id!(
    /// A trace: everything that happens for the sake of one event, wherever it happens.
    TraceId, NonZeroU128, u128
);
id!(
    /// A span: one piece of work in a trace.
    SpanId, NonZeroU64, u64
);

impl TraceId {
    /// The id of the trace that begins with this invocation, the same whenever it is asked for. Not the invocation's own id:
    /// samplers take the last bytes of a trace's id for evenly distributed, and those of a UUID are not.
    #[must_use]
    pub fn of(invocation: InvocationId) -> Self {
        // Of all ids there may be one without an id of a trace; then any does.
        Self::new(mixed(invocation.as_uuid().as_u128())).unwrap_or_else(Self::random)
    }
}

/// Spreads what a number has in any place over all of it. Different numbers stay different (it is a Feistel network). A
/// message costs little altogether, so a cryptographic hash would be a good part of it, and there is nothing to hide.
fn mixed(number: u128) -> u128 {
    let (mut high, mut low) = ((number >> 64) as u64, number as u64);
    for _ in 0..2 {
        low ^= spread(high);
        high ^= spread(low);
    }
    (u128::from(high) << 64) | u128::from(low)
}

/// The finalizer of SplitMix64, of which each bit of the result depends on each of the number.
fn spread(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
