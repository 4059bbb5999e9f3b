//! Small sets of the numbers that a field of a cron expression can have.

use std::fmt;

/// A set of numbers from 0 to 63.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Values(u64);

impl Values {
    /// All from `first` to `last`, both at most 63.
    #[must_use]
    pub(super) fn range(first: u8, last: u8) -> Self {
        (first..=last).collect()
    }

    /// Whether the number is in the set.
    #[must_use]
    pub fn contains(self, value: u8) -> bool {
        value < 64 && self.0 & (1 << value) != 0
    }

    /// The numbers in ascending order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |value| self.contains(*value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is none. A parsed field always has one.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The smallest number.
    pub(super) fn first(self) -> Option<u8> {
        (0..64).nth(self.0.trailing_zeros() as usize)
    }

    /// The smallest number that is larger than this one, which is at most 63.
    pub(super) fn after(self, value: u8) -> Option<u8> {
        Self(self.0 & (!1 << value)).first()
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// As the list of a cron field: numbers and rising ranges, each number written by `name`.
    pub(super) fn to_list(self, name: impl Fn(u8) -> String) -> String {
        let mut items: Vec<String> = Vec::new();
        let mut values = self.iter().peekable();
        while let Some(first) = values.next() {
            let mut last = first;
            while values.next_if_eq(&(last + 1)).is_some() {
                last += 1;
            }
            items.push(match last - first {
                0 => name(first),
                1 => format!("{},{}", name(first), name(last)),
                _ => format!("{}-{}", name(first), name(last)),
            });
        }
        items.join(",")
    }
}

impl FromIterator<u8> for Values {
    fn from_iter<I: IntoIterator<Item = u8>>(values: I) -> Self {
        Self(
            values
                .into_iter()
                .filter(|value| *value < 64)
                .fold(0, |bits, value| bits | 1 << value),
        )
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_list(|value| value.to_string()))
    }
}
