//! The simulated lock keeps its links as a real one does.

use std::time::Duration;

use keyturner::protocol::frame::Message;
use keyturner::protocol::gatt::Characteristic;
use keyturner::protocol::log::SortOrder;
use keyturner::protocol::reply::Reply;
use keyturner::protocol::{Command, IdType};
use keyturner::simlock::{Input, LinkId, Person, Pieces, SimLockConfig};

use crate::support::bench::{Bench, NUKI_ID};

#[test]
fn old_firmware_sends_twenty_bytes_at_a_time_whatever_the_message_is_long() {
    let mut bench = Bench::new(SimLockConfig { pieces: Pieces::Twenty, ..SimLockConfig::family(NUKI_ID) });
    let client = bench.client(IdType::Bridge);
    bench.pieces.clear();
    bench.states(&client);
    let sizes: Vec<usize> = bench.pieces.iter().map(|piece| piece.2.len()).collect();
    assert_eq!(sizes, [20, 20, 20, 15]);
}

#[test]
fn a_message_whose_length_is_a_multiple_of_twenty_ends_without_a_short_piece() {
    let config = SimLockConfig { pieces: Pieces::Twenty, states_len: 26, ..SimLockConfig::family(NUKI_ID) };
    let mut bench = Bench::new(config);
    let client = bench.client(IdType::Bridge);
    bench.pieces.clear();
    bench.states(&client);
    let sizes: Vec<usize> = bench.pieces.iter().map(|piece| piece.2.len()).collect();
    assert_eq!(sizes, [20, 20, 20, 20]);
}

#[test]
fn pieces_are_as_long_as_the_mtu_allows() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    for (mtu, expected) in
        [(23, vec![20, 20, 20, 15]), (28, vec![25, 25, 25]), (247, vec![75]), (0, vec![20, 20, 20, 15])]
    {
        bench.feed(Input::MtuChanged { link: client.link, mtu });
        bench.pieces.clear();
        bench.states(&client);
        let sizes: Vec<usize> = bench.pieces.iter().map(|piece| piece.2.len()).collect();
        assert_eq!(sizes, expected, "MTU {mtu}");
    }
}

#[test]
fn one_indication_at_a_time_and_a_mute_central_is_dropped() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    bench.confirms = false;
    bench.pieces.clear();
    bench.send(&client, &Message::request(Command::KeyturnerStates));
    bench.send(&client, &Message::request(Command::BatteryReport));
    assert_eq!(bench.pieces.len(), 1);
    bench.feed(Input::Confirmed { link: client.link });
    assert_eq!(bench.pieces.len(), 2);
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.gone, [client.link]);
    assert_eq!(bench.lock.link_count(), 0);
}

#[test]
fn an_idle_link_is_dropped_after_twenty_seconds() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    bench.pass(Duration::from_secs(19));
    bench.states(&client);
    bench.pass(Duration::from_millis(19_999));
    assert_eq!(bench.gone, []);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.gone, [client.link]);
    assert_eq!(bench.ask(&client, &Message::request(Command::KeyturnerStates)), [], "nobody is there");
}

#[test]
fn without_a_subscription_nothing_is_sent() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let characteristic = Characteristic::KeyturnerUsdio;
    bench.feed(Input::Subscribed { link: client.link, characteristic, indications: false });
    assert_eq!(bench.ask(&client, &Message::request(Command::KeyturnerStates)), []);
    bench.feed(Input::Subscribed { link: client.link, characteristic, indications: true });
    bench.states(&client);
}

#[test]
fn the_fifth_central_is_sent_away() {
    let mut bench = Bench::family();
    for _ in 0..4 {
        bench.connect();
    }
    assert_eq!(bench.gone, []);
    let fifth = bench.connect();
    assert_eq!(bench.gone, [fifth]);
    bench.disconnect(LinkId(1));
    bench.connect();
    assert_eq!(bench.gone, [fifth]);
}

#[test]
fn the_whole_log_fits_into_the_queue_of_one_link() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    for _ in 0..1000 {
        bench.person(Person::KeypadWrongCode);
    }
    assert_eq!(bench.log(&client, 0, u16::MAX, SortOrder::Ascending).len(), 1000);
}

#[test]
fn configuration_and_battery_are_answered() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let nonce = bench.challenge(&client);
    let replies = bench.ask(&client, &Message::new(Command::RequestConfig, nonce));
    let [Reply::Config(config)] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!((config.nuki_id, config.device_type), (NUKI_ID, Some(4)));
    assert_eq!((config.has_keypad, config.has_fob), (Some(true), true));
    assert_eq!(config.encode().len(), 76);
    assert!(matches!(bench.ask(&client, &Message::request(Command::BatteryReport))[..], [Reply::Battery(_)]));
    let nonce = bench.challenge(&client);
    let replies = bench.ask(&client, &Message::new(Command::RequestAdvancedConfig, nonce));
    assert!(matches!(&replies[..], [Reply::AdvancedConfig(config)] if config.encode().len() == 31));
}

#[test]
fn states_are_as_long_as_the_firmware_is_old() {
    for states_len in [15, 19, 21, 26, 27] {
        let mut bench = Bench::new(SimLockConfig { states_len, ..SimLockConfig::family(NUKI_ID) });
        let client = bench.client(IdType::Bridge);
        bench.pieces.clear();
        bench.states(&client);
        assert_eq!(bench.pieces[0].2.len(), 54 + states_len);
    }
}
