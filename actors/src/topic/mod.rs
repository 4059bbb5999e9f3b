//! MQTT topic filters: what an MQTT trigger subscribes to, checked when a package is published.
//!
//! The rules are those of the MQTT specification, sections 4.7 (names and filters) and 4.8.2 (shared subscriptions).

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

#[cfg(test)]
mod tests;

/// Most bytes of a topic name or filter: MQTT prefixes both with a length of 16 bits.
pub const MAX_TOPIC_BYTES: usize = 65_535;

const SHARE_PREFIX: &str = "$share/";

/// A valid topic filter, with `+`, `#` and perhaps `$share/<group>/`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicFilter {
    text: String,
    /// Where the filter proper begins: behind `$share/<group>/`, or 0.
    start: usize,
}

/// Why a text is no topic filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicFilterError {
    /// The filter has no character, or nothing follows the group of a shared subscription.
    #[error("a topic filter needs at least one character")]
    Empty,
    /// More than [`MAX_TOPIC_BYTES`].
    #[error("a topic filter has at most {MAX_TOPIC_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// MQTT refuses U+0000 in every text.
    #[error("a topic filter must not contain the character U+0000 (position {position})")]
    Nul {
        /// Characters before it.
        position: usize,
    },
    /// `+` or `#` beside other characters of its level.
    #[error("`{wildcard}` must be alone between slashes (position {position})")]
    WildcardInsideLevel {
        /// `+` or `#`.
        wildcard: char,
        /// Characters before it.
        position: usize,
    },
    /// `#` with levels behind it.
    #[error("`#` must be the last level (position {position})")]
    HashNotLast {
        /// Characters before it.
        position: usize,
    },
    /// `$share/` without a usable group name.
    #[error("a shared subscription is written `$share/<group>/<filter>`, the group without `+` and `#`")]
    ShareGroup,
}

impl TopicFilter {
    /// Checks a filter.
    ///
    /// # Errors
    /// [`TopicFilterError`], with the position of the fault where it has one.
    pub fn parse(text: &str) -> Result<Self, TopicFilterError> {
        if text.len() > MAX_TOPIC_BYTES {
            return Err(TopicFilterError::TooLong(text.len()));
        }
        if let Some(offset) = text.find('\0') {
            return Err(TopicFilterError::Nul {
                position: characters_before(text, offset),
            });
        }
        let start = if let Some(shared) = text.strip_prefix(SHARE_PREFIX) {
            let group = shared.split('/').next().unwrap_or_default();
            if group.is_empty() || group.contains(['+', '#']) || group.len() == shared.len() {
                return Err(TopicFilterError::ShareGroup);
            }
            SHARE_PREFIX.len() + group.len() + 1
        } else if text == "$share" {
            return Err(TopicFilterError::ShareGroup);
        } else {
            0
        };
        check_levels(text, start)?;
        Ok(Self {
            text: text.to_owned(),
            start,
        })
    }

    /// The text as it was given, to subscribe with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part that topics are compared with: without `$share/<group>/`.
    #[must_use]
    pub fn filter(&self) -> &str {
        &self.text[self.start..]
    }

    /// The group of a shared subscription.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        (self.start > 0).then(|| &self.text[SHARE_PREFIX.len()..self.start - 1])
    }

    /// Whether a message on this topic is meant. `#` includes its parent level, and a leading wildcard
    /// does not match topics that begin with `$` (those are the broker's own).
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        let filter = self.filter();
        if topic.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in filter.split('/') {
            if wanted == "#" {
                return true;
            }
            match levels.next() {
                Some(level) if wanted == "+" || wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

fn check_levels(text: &str, start: usize) -> Result<(), TopicFilterError> {
    let filter = &text[start..];
    if filter.is_empty() {
        return Err(TopicFilterError::Empty);
    }
    let mut offset = start;
    for level in filter.split('/') {
        let end = offset + level.len();
        if let Some(inside) = level.find(['+', '#']) {
            let position = characters_before(text, offset + inside);
            if level.len() > 1 {
                let wildcard = if level[inside..].starts_with('+') {
                    '+'
                } else {
                    '#'
                };
                return Err(TopicFilterError::WildcardInsideLevel { wildcard, position });
            }
            if level == "#" && end < text.len() {
                return Err(TopicFilterError::HashNotLast { position });
            }
        }
        offset = end + 1;
    }
    Ok(())
}

fn characters_before(text: &str, offset: usize) -> usize {
    text[..offset].chars().count()
}

impl FromStr for TopicFilter {
    type Err = TopicFilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicFilter({:?})", self.text)
    }
}

impl Serialize for TopicFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
