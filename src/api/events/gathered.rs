//! What has changed since the last events, so that many changes are few events.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use jobber_actors::changes::{Change, Extent, News, Topic};
use jobber_actors::domain::JobId;
use serde_json::json;

/// Of more jobs than this it is not said which they are.
const MOST_JOBS: usize = 200;

/// Changes that are not told yet.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    changed: BTreeMap<Topic, Extent>,
    missed: bool,
}

impl Gathered {
    /// This is news.
    pub(super) fn add(&mut self, news: News) {
        let Change { topic, of } = match news {
            News::Missed => return self.missed = true,
            News::Changed(change) => change,
        };
        match (self.changed.get_mut(&topic), of) {
            (None, of) => drop(self.changed.insert(topic, of)),
            (Some(Extent::Jobs(known)), Extent::Jobs(jobs)) => known.extend(jobs),
            (Some(known), _) => *known = Extent::Any,
        }
    }

    /// The jobs of which something has changed.
    pub(super) fn jobs(&self) -> impl Iterator<Item = JobId> {
        let jobs = self.changed.values().filter_map(|of| match of {
            Extent::Any => None,
            Extent::Jobs(jobs) => Some(jobs),
        });
        jobs.flatten().copied()
    }

    /// The events for somebody, who may read this. Nothing is left.
    pub(super) fn events(&mut self, may_read: impl Fn(Topic, Option<JobId>) -> bool) -> Vec<u8> {
        let mut events = Vec::new();
        if std::mem::take(&mut self.missed) {
            events.extend_from_slice(b"event: missed\ndata: {}\n\n");
            self.changed.clear();
        }
        for (topic, of) in std::mem::take(&mut self.changed) {
            let jobs: Option<BTreeSet<JobId>> = match of {
                Extent::Any if may_read(topic, None) => None,
                Extent::Any => continue,
                Extent::Jobs(jobs) => Some(
                    jobs.into_iter()
                        .filter(|job| may_read(topic, Some(*job)))
                        .collect(),
                ),
            };
            if jobs.as_ref().is_some_and(BTreeSet::is_empty) {
                continue;
            }
            let jobs = jobs.filter(|jobs| jobs.len() <= MOST_JOBS);
            let data = json!({ "topic": topic, "jobs": jobs });
            // Writing to memory does not fail. JSON has no line feeds.
            let _ = write!(events, "event: changed\ndata: {data}\n\n");
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(topic: Topic, of: Extent) -> News {
        News::Changed(Change { topic, of })
    }

    fn text(gathered: &mut Gathered, may_read: impl Fn(Topic, Option<JobId>) -> bool) -> String {
        String::from_utf8(gathered.events(may_read)).unwrap()
    }

    #[test]
    fn many_changes_of_a_kind_are_one_event() {
        let (one, two) = (JobId::generate(), JobId::generate());
        let mut gathered = Gathered::default();
        for job in [one, two, one] {
            gathered.add(changed(Topic::Runners, Extent::job(job)));
        }
        gathered.add(changed(Topic::Health, Extent::Any));
        assert_eq!(
            gathered.jobs().collect::<Vec<_>>(),
            Vec::from_iter(BTreeSet::from([one, two]))
        );
        let events = text(&mut gathered, |_, _| true);
        let jobs = json!(BTreeSet::from([one, two]));
        let expected = format!(
            "event: changed\ndata: {{\"jobs\":null,\"topic\":\"health\"}}\n\nevent: changed\ndata: {{\"jobs\":{jobs},\"topic\":\"runners\"}}\n\n"
        );
        assert_eq!(events, expected);
        assert_eq!(text(&mut gathered, |_, _| true), "");
    }

    #[test]
    fn nobody_hears_of_what_they_may_not_read() {
        let (mine, other) = (JobId::generate(), JobId::generate());
        let mut gathered = Gathered::default();
        gathered.add(changed(Topic::Logs, Extent::Jobs([mine, other].into())));
        gathered.add(changed(Topic::Queue, Extent::job(other)));
        gathered.add(changed(Topic::Users, Extent::Any));
        let events = text(&mut gathered, |_, job| job == Some(mine));
        assert_eq!(
            events,
            format!("event: changed\ndata: {{\"jobs\":[\"{mine}\"],\"topic\":\"logs\"}}\n\n")
        );
    }

    #[test]
    fn what_is_not_known_of_some_job_may_be_any_ones() {
        let mut gathered = Gathered::default();
        gathered.add(changed(Topic::Jobs, Extent::job(JobId::generate())));
        gathered.add(changed(Topic::Jobs, Extent::Any));
        assert_eq!(
            text(&mut gathered, |_, _| true),
            "event: changed\ndata: {\"jobs\":null,\"topic\":\"jobs\"}\n\n"
        );
        let jobs = (0..=MOST_JOBS).map(|_| JobId::generate()).collect();
        gathered.add(changed(Topic::Logs, Extent::Jobs(jobs)));
        assert_eq!(
            text(&mut gathered, |_, _| true),
            "event: changed\ndata: {\"jobs\":null,\"topic\":\"logs\"}\n\n"
        );
    }

    #[test]
    fn who_missed_some_has_to_read_everything() {
        let mut gathered = Gathered::default();
        gathered.add(changed(Topic::Logs, Extent::Any));
        gathered.add(News::Missed);
        assert_eq!(text(&mut gathered, |_, _| false), "event: missed\ndata: {}\n\n");
    }
}
