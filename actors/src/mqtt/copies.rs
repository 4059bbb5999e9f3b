//! A broker of MQTT 5 may send a message once for each subscription that it matches, naming the subscription. Which copies
//! belong together is a pure decision.

use std::collections::VecDeque;

/// Messages that are remembered. Copies follow one another closely.
const REMEMBERED: usize = 1_024;

/// The latest messages that came in copies.
#[derive(Debug, Default)]
pub(super) struct Copies {
    latest: VecDeque<(u64, Vec<u32>)>,
}

impl Copies {
    /// Whether this is a further copy of a message that came before: the same content for other subscriptions than those that it
    /// has come for already. A message that is published twice comes twice for the same subscription, and is never mistaken for one.
    pub(super) fn is_further(&mut self, content: u64, subscriptions: &[u32]) -> bool {
        let known = self
            .latest
            .iter_mut()
            .find(|(known, seen)| *known == content && seen.iter().all(|seen| !subscriptions.contains(seen)));
        if let Some((_, seen)) = known {
            seen.extend_from_slice(subscriptions);
            return true;
        }
        if self.latest.len() == REMEMBERED {
            self.latest.pop_front();
        }
        self.latest.push_back((content, subscriptions.to_vec()));
        false
    }
}
