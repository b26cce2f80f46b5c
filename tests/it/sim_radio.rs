//! The simulated radio behaves like one.

use std::time::Duration;

use keyturner::protocol::beacon::Advertisement;
use keyturner::protocol::frame::Message;
use keyturner::protocol::log::LogEntryKind;
use keyturner::protocol::reply::Reply;
use keyturner::protocol::{Command, IdType, LockAction, LockState, StatusCode};
use keyturner::simlock::{Fault, Person, Pieces, SimLockConfig};
use keyturner::transport::sim::{DropAt, SimSettings};
use keyturner::transport::{Address, Purpose, Transport, TransportErrorKind};
use tokio::time::Instant;

use crate::support::bench::NUKI_ID;
use crate::support::central::{Central, pair, radio, radio_with};

const COMPLETE: Reply = Reply::Status(StatusCode::Complete);

fn settings() -> SimSettings {
    SimSettings { connection_interval: Duration::from_millis(50), ..SimSettings::default() }
}

#[tokio::test(start_paused = true)]
async fn a_client_pairs_and_unlocks_over_the_air() {
    let (radio, door) = radio(SimSettings::default());
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    let mut central = Central::connect(&radio, &door, client).await.unwrap();
    central.act(LockAction::Unlock, " #1").await.unwrap();
    let replies = central.until_complete().await;
    assert_eq!(replies.len(), 4, "{replies:?}");
    assert_eq!(replies.last(), Some(&COMPLETE));
    assert_eq!(door.inspect(|lock| lock.executions(0x4B54_0001, " #1")), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_and_its_answer_cost_connection_intervals() {
    let (radio, door) = radio(settings());
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    let mut central = Central::connect(&radio, &door, client).await.unwrap();
    let before = Instant::now();
    central.send(&Message::request(Command::KeyturnerStates)).await.unwrap();
    let written = before.elapsed();
    assert!(written >= Duration::from_millis(100), "there and back: {written:?}");
    assert!(central.reply().await.is_some());
    assert!(before.elapsed() >= Duration::from_millis(100));
    assert!(before.elapsed() < Duration::from_millis(250), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn pieces_of_twenty_bytes_take_two_intervals_each_and_stay_in_order() {
    let config = SimLockConfig { pieces: Pieces::Twenty, ..SimLockConfig::family(NUKI_ID) };
    let (radio, door) = radio_with(settings(), config);
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    let mut central = Central::connect(&radio, &door, client).await.unwrap();
    let before = Instant::now();
    // 86 bytes are five pieces: a write, then five deliveries with four confirmations between them.
    central.challenge().await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(50 + 5 * 50 + 4 * 50), "{:?}", before.elapsed());
    central.act(LockAction::Unlock, "#2").await.unwrap();
    assert_eq!(central.until_complete().await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_long_value_on_a_small_mtu_is_written_in_rounds() {
    let (radio, door) = radio(SimSettings { mtu: 23, ..settings() });
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    let mut central = Central::connect(&radio, &door, client).await.unwrap();
    let before = Instant::now();
    // 56 bytes go in four prepared parts of 18 and one execution, each there and back.
    central.send(&Message::request(Command::KeyturnerStates)).await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(5 * 100), "{:?}", before.elapsed());
    assert!(matches!(central.reply().await, Some(Reply::States(_))));
}

#[tokio::test(start_paused = true)]
async fn advertisements_come_at_their_interval_and_flip_their_bit() {
    let (radio, door) = radio(SimSettings { advertising_interval: Duration::from_millis(500), ..settings() });
    let mut sightings = radio.scan().await.unwrap();
    let before = Instant::now();
    for _ in 0..10 {
        let sighting = sightings.recv().await.unwrap();
        assert_eq!(sighting.address, door.address());
        assert!(matches!(sighting.advertisement, Advertisement::Beacon(beacon) if !beacon.state_changed));
    }
    assert!((5000..5200).contains(&before.elapsed().as_millis()), "{:?}", before.elapsed());
    door.person(Person::keypad(583_921)).unwrap();
    let sighting = sightings.recv().await.unwrap();
    assert!(matches!(sighting.advertisement, Advertisement::Beacon(beacon) if beacon.state_changed));
    door.pairing_mode(true);
    let sighting = sightings.recv().await.unwrap();
    assert!(matches!(sighting.advertisement, Advertisement::Pairing(_, NUKI_ID)));
    radio.end_scans();
    while sightings.recv().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn two_locks_share_the_air() {
    let (radio, first) = radio(settings());
    let second = radio.add(SimLockConfig::family(0x0000_0042), [8; 32]);
    let mut sightings = radio.scan().await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..8 {
        seen.insert(sightings.recv().await.unwrap().address);
    }
    assert_eq!(seen, [first.address(), second.address()].into());
    assert_eq!(radio.lock(0x42).unwrap().address(), second.address());
    assert!(radio.lock(0x43).is_none());
    first.person(Person::Button).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(first.inspect(|lock| lock.state().lock_state), LockState::Unlocked);
    assert_eq!(second.inspect(|lock| lock.state().lock_state), LockState::Locked);
}

#[tokio::test(start_paused = true)]
async fn with_a_third_of_all_packets_lost_everything_works_but_takes_longer() {
    let (radio, door) = radio(SimSettings { loss: 0.33, ..settings() });
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    for round in 0..5 {
        let mut central = Central::connect(&radio, &door, client.clone()).await.unwrap();
        let action = if round % 2 == 0 { LockAction::Unlock } else { LockAction::Lock };
        central.act(action, &format!("#{round}")).await.unwrap();
        assert_eq!(central.until_complete().await.last(), Some(&COMPLETE));
        central.link.writer.disconnect().await.unwrap();
    }
    assert_eq!(door.inspect(|lock| lock.executions_total()), 5);
}

#[tokio::test(start_paused = true)]
async fn with_every_packet_lost_there_is_no_connection_and_a_link_ends_by_supervision() {
    let (radio, door) = radio(settings());
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    let mut central = Central::connect(&radio, &door, client.clone()).await.unwrap();
    radio.configure(|air| air.loss = 1.0);
    let before = Instant::now();
    let error = central.send(&Message::request(Command::KeyturnerStates)).await.unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::LinkLost);
    assert!((6000..6200).contains(&before.elapsed().as_millis()), "{:?}", before.elapsed());
    assert!(central.reply().await.is_none());
    let before = Instant::now();
    let error = Central::connect(&radio, &door, client).await.err().unwrap();
    assert_eq!(error.kind, TransportErrorKind::Timeout);
    assert_eq!(before.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn out_of_range_a_link_breaks_and_back_in_range_a_new_one_is_made() {
    let (radio, door) = radio(settings());
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    let mut central = Central::connect(&radio, &door, client.clone()).await.unwrap();
    let mut sightings = radio.scan().await.unwrap();
    door.set_in_range(false);
    assert!(central.reply().await.is_none(), "the link ends by itself");
    assert_eq!(door.inspect(|lock| lock.link_count()), 0);
    while sightings.try_recv().is_ok() {}
    assert!(tokio::time::timeout(Duration::from_secs(30), sightings.recv()).await.is_err(), "nothing on the air");
    door.set_in_range(true);
    assert!(sightings.recv().await.is_some());
    let mut central = Central::connect(&radio, &door, client).await.unwrap();
    central.challenge().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_short_absence_is_survived() {
    let (radio, door) = radio(settings());
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    let mut central = Central::connect(&radio, &door, client).await.unwrap();
    door.set_in_range(false);
    let back = door.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        back.set_in_range(true);
    });
    let before = Instant::now();
    central.challenge().await.unwrap();
    assert!(before.elapsed() >= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_link_can_break_at_any_write_or_indication() {
    let (radio, door) = radio(settings());
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    // Two writes make an action: the second one is lost, or arrives unanswered, or its first answer is the last.
    for (at, executed) in [
        (DropAt::BeforeWrite(2), 0),
        (DropAt::AfterWrites(2), 1),
        (DropAt::AfterIndications(2), 1),
        (DropAt::BeforeWrite(1), 0),
    ] {
        let before = door.inspect(|lock| lock.executions_total());
        let mut central = Central::connect(&radio, &door, client.clone()).await.unwrap();
        door.drop_at(at);
        let wish = match door.inspect(|lock| lock.state().lock_state) {
            LockState::Locked => LockAction::Unlock,
            _ => LockAction::Lock,
        };
        let acted = central.act(wish, "#").await;
        let is_write = !matches!(at, DropAt::AfterIndications(_));
        assert_eq!(acted.is_err(), is_write, "{at:?}: {acted:?}");
        assert!(!central.until_complete().await.contains(&COMPLETE), "{at:?}");
        assert_eq!(door.inspect(|lock| lock.executions_total()) - before, executed, "{at:?}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(door.inspect(|lock| lock.link_count()), 0, "{at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_link_or_the_attempt_frees_the_lock() {
    let (radio, door) = radio(settings());
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    let central = Central::connect(&radio, &door, client).await.unwrap();
    assert_eq!(door.inspect(|lock| lock.link_count()), 1);
    drop(central);
    assert_eq!(door.inspect(|lock| lock.link_count()), 0);
    for milliseconds in (0..800).step_by(37) {
        let attempt = radio.connect(door.address(), Purpose::Daily);
        let _ = tokio::time::timeout(Duration::from_millis(milliseconds), attempt).await;
        assert_eq!(door.inspect(|lock| lock.link_count()), 0, "after {milliseconds} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_nobody_waits_for_arrives_all_the_same() {
    let (radio, door) = radio(settings());
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    let mut central = Central::connect(&radio, &door, client).await.unwrap();
    let act = central.act(LockAction::Unlock, "#late");
    // The challenge takes 200 ms at most; then the action is on its way.
    let _ = tokio::time::timeout(Duration::from_millis(220), act).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(door.inspect(|lock| lock.executions_total()), 1);
}

#[tokio::test(start_paused = true)]
async fn the_lock_hangs_up_on_an_idle_link_and_after_a_planned_fault() {
    let (radio, door) = radio(settings());
    let client = pair(&radio, &door, IdType::Bridge).await.unwrap();
    let mut central = Central::connect(&radio, &door, client.clone()).await.unwrap();
    let before = Instant::now();
    assert!(central.reply().await.is_none());
    assert!((19_800..=20_000).contains(&before.elapsed().as_millis()), "{:?}", before.elapsed());
    door.fault(Fault::DropAfterAccepted);
    let mut central = Central::connect(&radio, &door, client).await.unwrap();
    central.act(LockAction::Unlock, "#").await.unwrap();
    assert_eq!(central.until_complete().await, [Reply::Status(StatusCode::Accepted)]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(door.inspect(|lock| lock.state().lock_state), LockState::Unlocked);
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_at_a_strange_address_or_when_the_lock_is_full() {
    let (radio, door) = radio(settings());
    let error = radio.connect(Address([1; 6]), Purpose::Daily).await.err().unwrap();
    assert_eq!(error.kind, TransportErrorKind::Timeout);
    let mut links = Vec::new();
    for _ in 0..4 {
        links.push(radio.connect(door.address(), Purpose::Daily).await.unwrap());
    }
    let error = radio.connect(door.address(), Purpose::Daily).await.err().unwrap();
    assert_eq!(error.kind, TransportErrorKind::ConnectFailed);
}

#[tokio::test(start_paused = true)]
async fn people_at_the_door_are_told_what_they_get() {
    let (_radio, door) = radio(settings());
    assert!(door.person(Person::KeypadWrongCode).is_err());
    assert!(door.person(Person::keypad(583_921)).is_ok());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(door.inspect(|lock| lock.log().len()), 2);
    assert!(door.inspect(|lock| matches!(lock.log()[1].kind, LogEntryKind::Keypad(entry) if entry.code_id == 1)));
}
