//! The ids of traces and spans. All zeros is none.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use sha2::{Digest, Sha256};

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
        let digest = Sha256::digest(invocation.as_uuid().as_bytes());
        let number = digest.iter().take(size_of::<u128>());
        let number = number.fold(0, |number: u128, byte| (number << 8) | u128::from(*byte));
        // Of all ids there may be one without an id of a trace; then any does.
        Self::new(number).unwrap_or_else(Self::random)
    }
}
