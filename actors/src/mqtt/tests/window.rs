//! What is acknowledged, when, and what is recognised when it comes again.

use proptest::prelude::*;

use crate::manifest::QualityOfService;
use crate::mqtt::copies::Copies;
use crate::mqtt::reconnect::Reconnect;
use crate::mqtt::window::{AckWindow, Arrival, EntryId, WindowLimits};
use crate::ports::PacketId;

const LIMITS: WindowLimits = WindowLimits {
    messages: 10,
    bytes: 1_000,
};

fn open(window: &mut AckWindow, packet: u16) -> EntryId {
    let packet = (PacketId(packet), QualityOfService::AtLeastOnce);
    window.open(Some(packet), u64::from(packet.0.0), 10, 1)
}

fn ready(window: &mut AckWindow) -> Vec<u16> {
    window.take_ready().iter().map(|(packet, _)| packet.0).collect()
}

#[test]
fn acknowledgements_go_out_in_the_order_of_arrival() {
    let mut window = AckWindow::new(LIMITS);
    let entries = [open(&mut window, 1), open(&mut window, 2), open(&mut window, 3)];
    window.finish(entries[2]);
    window.finish(entries[1]);
    assert!(!window.has_ready());
    window.finish(entries[0]);
    assert!(window.has_ready());
    assert_eq!(ready(&mut window), [1, 2, 3]);
    assert_eq!(window.open_messages(), 0);
}

#[test]
fn a_message_for_several_triggers_waits_for_all_of_them() {
    let mut window = AckWindow::new(LIMITS);
    let packet = (PacketId(1), QualityOfService::ExactlyOnce);
    let entry = window.open(Some(packet), 1, 10, 2);
    window.finish(entry);
    assert_eq!(ready(&mut window), [0_u16; 0]);
    window.finish(entry);
    window.finish(entry);
    assert_eq!(window.take_ready(), [packet]);
}

#[test]
fn what_comes_again_while_it_is_worked_on_is_known_and_acknowledged_once() {
    let mut window = AckWindow::new(LIMITS);
    let first = open(&mut window, 1);
    let second = open(&mut window, 2);
    window.finish(first);
    window.disconnected();
    assert_eq!(
        ready(&mut window),
        [0_u16; 0],
        "not on another connection than its own"
    );
    assert_eq!(window.arrival(PacketId(1), 1), Arrival::Known);
    assert_eq!(ready(&mut window), [1], "it was finished meanwhile");
    assert_eq!(window.arrival(PacketId(2), 2), Arrival::Known);
    assert_eq!(window.arrival(PacketId(2), 2), Arrival::Known, "also twice");
    window.finish(second);
    assert_eq!(ready(&mut window), [2]);
}

#[test]
fn a_number_that_the_broker_gave_to_another_message_is_a_new_one() {
    let mut window = AckWindow::new(LIMITS);
    let old = open(&mut window, 1);
    window.disconnected();
    assert_eq!(window.arrival(PacketId(1), 99), Arrival::New);
    let packet = (PacketId(1), QualityOfService::AtLeastOnce);
    let new = window.open(Some(packet), 99, 10, 1);
    window.finish(old);
    assert_eq!(
        ready(&mut window),
        [0_u16; 0],
        "the old one's end says nothing about the new one"
    );
    window.finish(new);
    assert_eq!(ready(&mut window), [1]);
}

#[test]
fn a_session_that_the_broker_forgot_is_acknowledged_no_more() {
    let mut window = AckWindow::new(LIMITS);
    let entry = open(&mut window, 1);
    window.disconnected();
    window.session_lost();
    assert_eq!(window.arrival(PacketId(1), 1), Arrival::New);
    let again = open(&mut window, 1);
    window.finish(entry);
    assert_eq!(ready(&mut window), [0_u16; 0]);
    window.finish(again);
    assert_eq!(ready(&mut window), [1]);
}

#[test]
fn the_window_is_bounded_by_number_and_by_size_but_takes_one_message_of_any_size() {
    let mut window = AckWindow::new(LIMITS);
    assert!(window.has_room(1_000_000));
    let large = window.open(None, 0, 1_100, 1);
    assert!(!window.is_full(), "one of any size");
    assert!(window.has_room(900) && !window.has_room(901));
    window.finish(large);
    let mut entries: Vec<EntryId> = (1..=10).map(|packet| open(&mut window, packet)).collect();
    assert!(!window.is_full());
    entries.extend((11..=20).map(|packet| open(&mut window, packet)));
    assert!(window.is_full(), "what was read already has been taken");
    assert!(!window.has_room(1));
    assert!(!window.is_half_free());
    for entry in &entries[1..16] {
        window.finish(*entry);
    }
    assert!(
        window.is_half_free(),
        "what is finished takes no room, acknowledged or not"
    );
}

proptest! {
    /// Whatever happens: no message is acknowledged before it is finished, none twice on one connection, all in order, and in the
    /// end all of them.
    #[test]
    fn no_acknowledgement_is_early_twice_or_missing(steps in proptest::collection::vec(0_u8..6, 1..200)) {
        let mut window = AckWindow::new(WindowLimits { messages: usize::MAX, bytes: usize::MAX });
        // The broker's side: numbers in flight, in order, each with its entry if the window has one.
        let mut in_flight: Vec<(u16, EntryId)> = Vec::new();
        let mut finished: Vec<EntryId> = Vec::new();
        let mut next = 1_u16;
        for step in steps {
            match step {
                0 | 1 => {
                    in_flight.push((next, open(&mut window, next)));
                    next += 1;
                }
                2 => if let Some((_, entry)) = in_flight.iter().find(|(_, entry)| !finished.contains(entry)) {
                    finished.push(*entry);
                    window.finish(*entry);
                },
                3 => if let Some((_, entry)) = in_flight.iter().rev().find(|(_, entry)| !finished.contains(entry)) {
                    finished.push(*entry);
                    window.finish(*entry);
                },
                4 => for packet in ready(&mut window) {
                    let (expected, entry) = in_flight.remove(0);
                    prop_assert_eq!(packet, expected, "in order");
                    prop_assert!(finished.contains(&entry), "not before its end");
                },
                _ => {
                    window.disconnected();
                    for (packet, entry) in &in_flight {
                        prop_assert_eq!(window.arrival(PacketId(*packet), u64::from(*packet)), Arrival::Known, "{:?}", entry);
                    }
                }
            }
        }
        for (_, entry) in &in_flight {
            window.finish(*entry);
        }
        let rest: Vec<u16> = in_flight.iter().map(|(packet, _)| *packet).collect();
        prop_assert_eq!(ready(&mut window), rest);
        prop_assert_eq!(window.open_messages(), 0);
    }
}

#[test]
fn copies_for_several_subscriptions_are_one_message_and_two_equal_messages_are_two() {
    let mut copies = Copies::default();
    assert!(!copies.is_further(1, &[10]));
    assert!(copies.is_further(1, &[20]));
    assert!(!copies.is_further(1, &[10]), "published again");
    assert!(copies.is_further(1, &[20]));
    assert!(!copies.is_further(2, &[10, 20]), "one copy may stand for all");
    assert!(!copies.is_further(2, &[10, 20]));
    assert!(!copies.is_further(3, &[20]));
}

#[test]
fn pauses_grow_are_bounded_and_begin_anew_after_a_good_connection() {
    let now = tokio::time::Instant::now();
    let mut reconnect = Reconnect::default();
    let pauses: Vec<u128> = (0..20)
        .map(|_| reconnect.pause(None, now, 1.0).as_millis())
        .collect();
    assert_eq!(&pauses[..4], [200, 400, 800, 1_600]);
    assert_eq!(pauses[19], 30_000);
    let later = now + std::time::Duration::from_secs(60);
    assert_eq!(reconnect.pause(Some(now), later, 1.0).as_millis(), 200);
    assert_eq!(
        reconnect.pause(Some(later), later, 0.0).as_millis(),
        200,
        "half of 400"
    );
}
