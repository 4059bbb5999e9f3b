//! What Schemathesis says that it did, event by event.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The statuses that each operation has answered.
pub(super) struct Report {
    answers: BTreeMap<String, Vec<u64>>,
}

impl Report {
    /// What is in a file of events.
    pub(super) fn read(path: &Path) -> Self {
        let mut answers = BTreeMap::<_, Vec<_>>::new();
        for line in fs::read_to_string(path).unwrap().lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let recorder = &event["ScenarioFinished"]["recorder"];
            for (id, case) in recorder["cases"].as_object().into_iter().flatten() {
                let part = |name: &str| case["value"][name].as_str().unwrap();
                let operation = format!("{} {}", part("method"), part("path"));
                let status = recorder["interactions"][id]["response"]["status_code"].as_u64();
                answers.entry(operation).or_default().extend(status);
            }
        }
        Self { answers }
    }

    /// The operations that have answered something.
    pub(super) fn tested(&self) -> BTreeSet<String> {
        self.answering(|_| true)
    }

    /// Those that have done what they are for.
    pub(super) fn succeeded(&self) -> BTreeSet<String> {
        self.answering(|status| (200..300).contains(&status))
    }

    fn answering(&self, answer: impl Fn(u64) -> bool) -> BTreeSet<String> {
        let operations = self.answers.iter();
        let answering = operations.filter(|(_, statuses)| statuses.iter().any(|status| answer(*status)));
        answering.map(|(operation, _)| operation.clone()).collect()
    }
}
