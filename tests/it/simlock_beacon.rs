//! Bit 0 of the beacon says whether there is something that no bridge has read.

use std::time::Duration;

use keyturner::protocol::beacon::{Advertisement, Family};
use keyturner::protocol::{IdType, LockAction};
use keyturner::simlock::{DoorMove, Fault, Input, Person, Turn};

use crate::support::bench::{Bench, NUKI_ID};

#[test]
fn the_beacon_is_that_of_a_third_generation_lock() {
    let bench = Bench::family();
    let advertising = bench.advertising.unwrap();
    let Some(Advertisement::Beacon(beacon)) = Advertisement::parse(&advertising.data) else { panic!("no beacon") };
    assert_eq!((beacon.nuki_id, beacon.family, beacon.tx_power), (NUKI_ID, Family::Lock, -56));
    assert_eq!(&advertising.scan_response[2..], b"Nuki_0A1B2C3D");
}

#[test]
fn everything_that_happens_at_the_door_sets_the_bit_and_only_the_bridge_clears_it() {
    let mut bench = Bench::family();
    let bridge = bench.client(IdType::Bridge);
    let mut app = bench.pair(IdType::App, 2, "Phone");
    bench.states(&bridge);
    app.link = bench.connect();
    assert!(!bench.bit());
    for person in [
        Person::KeypadWrongCode,
        Person::keypad(583_921),
        Person::Door(DoorMove::Open),
        Person::Door(DoorMove::Close),
        Person::ManualTurn(Turn::Lock),
        Person::Button,
        Person::Fob { auth: 2 },
    ] {
        bench.person(person);
        assert!(bench.bit(), "{person:?}");
        bench.pass(Duration::from_secs(2));
        bench.replies(&app);
        bench.replies(&bridge);
        bench.states(&app);
        assert!(bench.bit(), "an app's reading is not enough");
        bench.states(&bridge);
        assert!(!bench.bit());
    }
}

#[test]
fn the_end_of_a_movement_sets_the_bit_anew() {
    let mut bench = Bench::family();
    let bridge = bench.client(IdType::Bridge);
    bench.person(Person::keypad(583_921));
    bench.replies(&bridge);
    bench.states(&bridge);
    assert!(!bench.bit());
    bench.pass(Duration::from_secs(2));
    assert!(bench.bit());
}

#[test]
fn what_the_bridge_does_itself_is_no_news_but_what_an_app_does_is() {
    let mut bench = Bench::family();
    let bridge = bench.client(IdType::Bridge);
    bench.states(&bridge);
    bench.lock_action(&bridge, LockAction::Unlock, None);
    bench.pass(Duration::from_secs(2));
    assert!(!bench.bit());
    let mut app = bench.pair(IdType::App, 2, "Phone");
    app.link = bench.connect();
    bench.lock_action(&app, LockAction::Lock, None);
    assert!(bench.bit());
}

#[test]
fn a_stuck_bit_stays() {
    let mut bench = Bench::family();
    let bridge = bench.client(IdType::Bridge);
    bench.feed(Input::Fault(Fault::StuckBeacon(true)));
    bench.states(&bridge);
    assert!(bench.bit());
    bench.feed(Input::Fault(Fault::StuckBeacon(false)));
    assert!(!bench.bit());
}
