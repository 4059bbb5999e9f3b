//! Following a job's log from page to page, as it is written.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use jobber_actors::domain::JobId;

use super::{LogArchive, LogArchiveError, LogCursor, LogFilter, LogQuery, StoredLogLine};

/// Most lines that are read at once, and so the most that a follower holds.
const PAGE: u16 = 200;
/// Lines of other servers and runners may come so much later than newer ones.
const LATENESS: TimeDelta = TimeDelta::seconds(5);
/// So many lines before the newest one are looked through for those that came late.
const LOOKED_THROUGH: u16 = 500;
/// Places of lines that were given and are remembered: more than are looked through.
const REMEMBERED: usize = 1_000;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailStart {
    /// With the lines after this place.
    After(LogCursor),
    /// With so many of the newest lines that are there.
    Newest(u16),
}

/// A place in the log that goes forward, and what it has passed.
pub struct Tail {
    archive: Arc<dyn LogArchive>,
    job: JobId,
    filter: LogFilter,
    /// What is up to here was there before; nothing of it is given.
    floor: LogCursor,
    /// The newest line that was given, or the floor.
    newest: LogCursor,
    given: BTreeSet<LogCursor>,
}

/// Lines in the order in which they are given, and where to go on after them.
#[derive(Debug)]
pub struct TailPage {
    /// Late ones stand behind newer ones.
    pub lines: Vec<StoredLogLine>,
    /// The newest line that was given so far.
    pub newest: LogCursor,
    /// There are more lines already.
    pub is_full: bool,
}

impl Tail {
    /// Follows the lines of a job that are like this.
    ///
    /// # Errors
    /// [`LogArchiveError`].
    pub async fn begin(
        archive: Arc<dyn LogArchive>,
        job: JobId,
        filter: LogFilter,
        start: TailStart,
    ) -> Result<(Self, Vec<StoredLogLine>), LogArchiveError> {
        let (floor, first) = match start {
            TailStart::After(place) => (place, Vec::new()),
            TailStart::Newest(count) => newest(&*archive, job, &filter, count).await?,
        };
        let tail = Self {
            archive,
            job,
            filter,
            floor,
            newest: floor,
            given: BTreeSet::new(),
        };
        Ok((tail, first))
    }

    /// The place after which a later follower would have to begin.
    #[must_use]
    pub const fn newest(&self) -> LogCursor {
        self.newest
    }

    /// What has come since the last time: first what is new, and then, when nothing more is new, what came late.
    ///
    /// # Errors
    /// [`LogArchiveError`]; the same can be asked again.
    pub async fn more(&mut self, now: DateTime<Utc>) -> Result<TailPage, LogArchiveError> {
        let query = LogQuery {
            after: Some(self.newest),
            limit: PAGE,
            filter: self.filter.clone(),
            ..LogQuery::default()
        };
        let mut lines = self.archive.read(&[self.job], &query).await?;
        let is_full = lines.len() >= usize::from(PAGE);
        if !is_full && now - self.newest.time < LATENESS && self.newest > self.floor {
            lines.extend(self.late().await?);
        }
        for line in &lines {
            self.newest = self.newest.max(line.cursor);
            self.given.insert(line.cursor);
        }
        while self.given.len() > REMEMBERED {
            self.given.pop_first();
        }
        Ok(TailPage {
            lines,
            newest: self.newest,
            is_full,
        })
    }

    /// Lines before the newest one that were not there when it was read.
    async fn late(&self) -> Result<Vec<StoredLogLine>, LogArchiveError> {
        let since = LogCursor::at(self.newest.time - LATENESS);
        let query = LogQuery {
            before: Some(self.newest),
            limit: LOOKED_THROUGH,
            filter: LogFilter {
                from: self.filter.from.max(Some(since.time)),
                ..self.filter.clone()
            },
            ..LogQuery::default()
        };
        let mut lines = self.archive.read(&[self.job], &query).await?;
        lines.retain(|line| line.cursor > self.floor && !self.given.contains(&line.cursor));
        Ok(lines)
    }
}

/// The newest line's place, and so many lines up to there.
async fn newest(
    archive: &dyn LogArchive,
    job: JobId,
    filter: &LogFilter,
    count: u16,
) -> Result<(LogCursor, Vec<StoredLogLine>), LogArchiveError> {
    let last = LogQuery {
        limit: 1,
        ..LogQuery::default()
    };
    let last = archive.read(&[job], &last).await?.pop();
    let Some(last) = last.map(|line| line.cursor) else {
        return Ok((LogCursor::at(DateTime::UNIX_EPOCH), Vec::new()));
    };
    if count == 0 {
        return Ok((last, Vec::new()));
    }
    let up_to = LogCursor {
        sequence: last.sequence.saturating_add(1),
        ..last
    };
    let query = LogQuery {
        before: Some(up_to),
        limit: count,
        filter: filter.clone(),
        ..LogQuery::default()
    };
    Ok((last, archive.read(&[job], &query).await?))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use jobber_actors::ports::{LogLevel, OutputStream};

    use super::*;

    /// Lines of one job in memory.
    #[derive(Default)]
    struct Shelf(Mutex<Vec<StoredLogLine>>);

    #[async_trait]
    impl LogArchive for Shelf {
        async fn read(&self, _: &[JobId], query: &LogQuery) -> Result<Vec<StoredLogLine>, LogArchiveError> {
            let span = query.span();
            let mut lines = self.0.lock().unwrap().clone();
            lines.sort_by_key(|line| line.cursor);
            lines.retain(|line| line.cursor > span.above && line.cursor < span.below);
            let limit = usize::from(query.limit);
            if query.is_forward() {
                lines.truncate(limit);
            } else {
                lines.drain(..lines.len().saturating_sub(limit));
            }
            Ok(lines)
        }
    }

    const NOON: DateTime<Utc> = DateTime::from_timestamp(1_700_000_000, 0).unwrap();

    struct World {
        shelf: Arc<Shelf>,
        tail: Tail,
    }

    impl World {
        async fn of(messages: &[(i64, &str)], start: TailStart) -> (Self, Vec<String>) {
            let shelf = Arc::new(Shelf::default());
            for (millisecond, message) in messages {
                put(&shelf, *millisecond, message);
            }
            let archive = Arc::clone(&shelf) as Arc<_>;
            let (tail, first) = Tail::begin(archive, JobId::generate(), LogFilter::default(), start)
                .await
                .unwrap();
            (Self { shelf, tail }, texts(first))
        }

        async fn more(&mut self, millisecond: i64) -> Vec<String> {
            let page = self.tail.more(moment(millisecond)).await.unwrap();
            texts(page.lines)
        }
    }

    fn moment(millisecond: i64) -> DateTime<Utc> {
        NOON + TimeDelta::milliseconds(millisecond)
    }

    fn put(shelf: &Shelf, millisecond: i64, message: &str) {
        let mut lines = shelf.0.lock().unwrap();
        let sequence = i64::try_from(lines.len()).unwrap() + 1;
        let time = moment(millisecond);
        lines.push(StoredLogLine {
            cursor: LogCursor { time, sequence },
            time,
            job_id: JobId::generate(),
            version_id: None,
            runner_id: None,
            invocation_id: None,
            stream: OutputStream::Stdout,
            level: LogLevel::Info,
            message: message.to_owned(),
            fields: None,
        });
    }

    fn texts(lines: Vec<StoredLogLine>) -> Vec<String> {
        lines.into_iter().map(|line| line.message).collect()
    }

    #[tokio::test]
    async fn a_tail_begins_with_what_is_asked_for_and_goes_on() {
        let there = [(0, "a"), (1, "b"), (2, "c")];
        let (mut world, first) = World::of(&there, TailStart::Newest(2)).await;
        assert_eq!(first, ["b", "c"]);
        assert!(world.more(3).await.is_empty());
        put(&world.shelf, 3, "d");
        assert_eq!(world.more(4).await, ["d"]);
        assert!(world.more(5).await.is_empty());

        let after = LogCursor::at(moment(1));
        let (mut world, first) = World::of(&there, TailStart::After(after)).await;
        assert!(first.is_empty());
        assert_eq!(world.more(3).await, ["b", "c"]);

        let (mut world, _) = World::of(&[], TailStart::Newest(0)).await;
        put(&world.shelf, 0, "the first line ever");
        assert_eq!(world.more(1).await, ["the first line ever"]);
    }

    #[tokio::test]
    async fn a_line_that_comes_late_is_given_once_and_moves_nothing() {
        let (mut world, _) = World::of(&[(0, "before")], TailStart::Newest(0)).await;
        put(&world.shelf, 1_000, "new");
        assert_eq!(world.more(1_000).await, ["new"]);
        let newest = world.tail.newest();
        put(&world.shelf, 500, "late");
        assert_eq!(world.more(1_100).await, ["late"]);
        assert_eq!(world.tail.newest(), newest);
        assert!(world.more(1_200).await.is_empty());
        put(&world.shelf, 900, "too late");
        assert!(world.more(6_000).await.is_empty());
    }

    #[tokio::test]
    async fn a_flood_comes_page_by_page_and_each_line_once() {
        let (mut world, _) = World::of(&[], TailStart::Newest(0)).await;
        let all: Vec<String> = (0..3_000).map(|n| n.to_string()).collect();
        for (message, millisecond) in all.iter().zip(0..) {
            put(&world.shelf, millisecond, message);
        }
        let mut seen = Vec::new();
        loop {
            let page = world.tail.more(moment(3_000)).await.unwrap();
            assert!(page.lines.len() <= usize::from(PAGE));
            seen.extend(texts(page.lines));
            if !page.is_full {
                break;
            }
        }
        assert_eq!(seen, all);
        assert!(world.tail.given.len() <= REMEMBERED);
    }
}
