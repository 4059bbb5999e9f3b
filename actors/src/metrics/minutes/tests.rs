use super::*;
use crate::invocation::Input;
use crate::metrics::timing::{Parts, Timing};

const LIMITS: MinuteLimits = MinuteLimits {
    minutes: 3,
    rollups: 100,
};

/// Second `second` of a day.
fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(86_400 * 20_000 + second, 0).expect("is a time")
}

struct Shop {
    job: JobId,
    tally: Arc<JobTally>,
}

impl Shop {
    fn open() -> Self {
        Self {
            job: JobId::generate(),
            tally: Arc::default(),
        }
    }

    fn sells(&self, kind: &'static str, ending: Ending) {
        let timing = Timing {
            total: Duration::from_millis(30),
            parts: Some(Parts {
                queue: Duration::from_millis(10),
                cold: None,
                handler: Duration::from_millis(20),
            }),
        };
        self.tally.count(kind, ending, &timing);
    }

    fn now(&self, waiting: u32) -> [JobNow; 1] {
        [JobNow {
            job: self.job,
            tally: Arc::clone(&self.tally),
            levels: Levels {
                waiting,
                running: 1,
                runners: 1,
            },
        }]
    }
}

/// The minutes that wait, by their first second, with what ended well in them.
fn succeeded(minutes: &mut Minutes) -> Vec<(i64, Vec<(&'static str, u64)>)> {
    let mut found = Vec::new();
    while let Some((minute, rollups)) = minutes.oldest() {
        let counts = rollups.iter().map(|rollup| {
            let [succeeded, ..] = rollup.endings;
            (rollup.kind, succeeded)
        });
        found.push(((minute - at(0)).num_seconds(), counts.collect()));
        minutes.kept(minute);
    }
    assert_eq!(minutes.waiting(), 0);
    found
}

#[test]
fn what_ends_in_a_minute_belongs_to_it() {
    let (shop, mut minutes) = (Shop::open(), Minutes::new(LIMITS));
    shop.sells(Input::HTTP, Ending::Succeeded);
    minutes.look(at(10), &shop.now(0));
    shop.sells(Input::HTTP, Ending::Succeeded);
    shop.sells(Input::MQTT, Ending::Failed);
    minutes.look(at(59), &shop.now(7));
    assert_eq!(minutes.oldest(), None, "the minute goes on");
    minutes.look(at(61), &shop.now(2));

    let (minute, rollups) = minutes.oldest().expect("it is over");
    assert_eq!(minute, at(0));
    let [http, mqtt] = rollups else {
        panic!("{rollups:?}");
    };
    assert_eq!((http.kind, http.endings), ("http", [2, 0, 0, 0, 0, 0]));
    assert_eq!((mqtt.kind, mqtt.endings), ("mqtt", [0, 1, 0, 0, 0, 0]));
    assert_eq!(http.levels.waiting, 7, "the most that was seen");
    assert_eq!(http.total.sum, Duration::from_millis(60));
    assert_eq!(http.queue.sum + http.handler.sum, http.total.sum);
    assert_eq!(http.total.count(), 2);
    let longest =
        [&http.total, &http.queue, &http.handler].map(|times| times.longest.map(|it| it.as_millis()));
    assert_eq!(longest, [Some(30), Some(10), Some(20)]);
    minutes.kept(minute);

    // The next minute counts from there; one without anything is none.
    shop.sells(Input::HTTP, Ending::Succeeded);
    minutes.look(at(121), &shop.now(0));
    minutes.look(at(185), &shop.now(0));
    assert_eq!(succeeded(&mut minutes), [(60, vec![("http", 1)])]);
}

#[test]
fn a_minute_ends_early_when_the_server_does() {
    let (shop, mut minutes) = (Shop::open(), Minutes::new(LIMITS));
    minutes.look(at(5), &shop.now(0));
    shop.sells(Input::SCHEDULE, Ending::Succeeded);
    minutes.close(at(6), &shop.now(0));
    assert_eq!(succeeded(&mut minutes), [(0, vec![("schedule", 1)])]);
}

#[test]
fn requests_that_found_no_place_are_counted_although_nothing_ended() {
    let (shop, mut minutes) = (Shop::open(), Minutes::new(LIMITS));
    shop.tally.turn_away();
    minutes.close(at(5), &shop.now(100));
    let (_, rollups) = minutes.oldest().expect("there was something");
    assert_eq!((rollups.len(), rollups[0].turned_away), (1, 1));
}

#[test]
fn of_minutes_that_can_not_be_kept_the_last_ones_wait_each_for_itself() {
    let (shop, mut minutes) = (Shop::open(), Minutes::new(LIMITS));
    for minute in 0..5 {
        shop.sells(Input::HTTP, Ending::Succeeded);
        minutes.look(at(minute * 60), &shop.now(0));
    }
    minutes.look(at(5 * 60), &shop.now(0));
    assert_eq!((minutes.waiting(), minutes.dropped()), (3, 1));
    let one = || vec![("http", 1)];
    assert_eq!(succeeded(&mut minutes), [(60, one()), (120, one()), (180, one())]);
}

#[test]
fn a_job_that_comes_back_counts_from_nothing() {
    let (mut shop, mut minutes) = (Shop::open(), Minutes::new(LIMITS));
    for _ in 0..9 {
        shop.sells(Input::HTTP, Ending::Succeeded);
    }
    minutes.look(at(0), &shop.now(0));
    minutes.look(at(60), &[]);
    shop.tally = Arc::default();
    shop.sells(Input::HTTP, Ending::Succeeded);
    minutes.look(at(120), &shop.now(0));
    assert_eq!(succeeded(&mut minutes), [(60, vec![("http", 1)])]);
}

#[test]
fn a_clock_that_is_put_back_a_little_does_not_begin_a_minute_twice() {
    let (shop, mut minutes) = (Shop::open(), Minutes::new(LIMITS));
    minutes.look(at(3_601), &shop.now(0));
    shop.sells(Input::HTTP, Ending::Succeeded);
    minutes.look(at(3_599), &shop.now(0));
    shop.sells(Input::HTTP, Ending::Succeeded);
    minutes.look(at(3_661), &shop.now(0));
    assert_eq!(succeeded(&mut minutes), [(3_600, vec![("http", 2)])]);

    // One that was far ahead does not stop everything until then.
    shop.sells(Input::HTTP, Ending::Succeeded);
    minutes.look(at(65), &shop.now(0));
    shop.sells(Input::HTTP, Ending::Succeeded);
    minutes.look(at(121), &shop.now(0));
    let one = || vec![("http", 1)];
    assert_eq!(succeeded(&mut minutes), [(60, one()), (3_660, one())]);
}
