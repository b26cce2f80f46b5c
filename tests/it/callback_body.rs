//! The body of a callback: the vendor's part unchanged, ours behind it, and never a wrong person.

use keyturner::attribution::{Attribution, Event, EventKind, Method, StateChange, UnknownReason, Who};
use keyturner::gateway::{Cause, LockSnapshot};
use keyturner::http::bridge::wire::callback_body;
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::state::AccessoryBattery;
use keyturner::protocol::{CompletionStatus, IdType, LockAction, LockState, Trigger};

use crate::http_support::{NOW, front, states};

const VENDOR: &str = r#"{"deviceType": 4, "nukiId": 1015571181, "mode": 2, "state": 3, "stateName": "unlocked", "batteryCritical": false, "batteryCharging": false, "batteryChargeState": 96, "keypadBatteryCritical": false, "doorsensorState": 2, "doorsensorStateName": "door closed""#;

/// The cleaner unlocks with code 12 at the keypad.
pub(crate) fn by_code() -> Event {
    Event {
        log_index: Some(77),
        device_time: Some(DeviceTime { year: 2026, month: 3, day: 4, hour: 5, minute: 6, second: 7 }),
        action: Some(LockAction::Unlock),
        trigger: Some(Trigger::System),
        completion_status: Some(CompletionStatus::Success),
        change: Some(StateChange { before: Some(LockState::Locked), after: LockState::Unlocked }),
        who: Who {
            auth_id: Some(4_000_000_000),
            auth_type: Some(IdType::Keypad),
            auth_name: Some("Nuki Keypad".into()),
            code_id: Some(12),
            code_name: Some("Zoë [cleaner]".into()),
        },
        method: Method::Code,
        attribution: Attribution::Matched,
        ..Event::blank(EventKind::KeypadAction)
    }
}

fn body(event: Option<&Event>) -> String {
    body_for(event, None)
}

fn body_for(event: Option<&Event>, client: Option<&str>) -> String {
    let mut unlocked = states(LockState::Unlocked);
    unlocked.accessory_battery = Some(AccessoryBattery(1));
    callback_body(
        &LockSnapshot { has_keypad: true, ..front() },
        &unlocked,
        event.map(|event| Cause { event, client }),
        NOW,
    )
}

fn ours(event: &Event) -> String {
    let body = body(Some(event));
    body.strip_prefix(VENDOR).expect("the vendor's keys come first").to_owned()
}

#[test]
fn without_an_event_it_is_exactly_the_vendors() {
    assert_eq!(body(None), format!("{VENDOR}}}"));
}

#[test]
fn a_code_at_the_keypad_is_told_with_its_owner() {
    assert_eq!(
        ours(&by_code()),
        r#", "action": 1, "trigger": 255, "source": 1, "authId": 4000000000, "authType": 13, "userName": "Zo\u00eb  cleaner ", "codeId": 12, "codeName": "Zo\u00eb  cleaner ", "autoUnlock": false, "completionStatus": 0, "eventId": 77, "eventTimestamp": "2026-03-04T05:06:07+00:00"}"#
    );
}

#[test]
fn a_phone_is_told_with_its_owner_and_no_code() {
    let who = Who { auth_id: Some(5), auth_type: Some(IdType::App), auth_name: Some("Anna".into()), ..Who::default() };
    let event = Event { kind: EventKind::LockAction, who, method: Method::App, auto_unlock: true, ..by_code() };
    assert_eq!(
        ours(&event),
        r#", "action": 1, "trigger": 0, "authId": 5, "authType": 0, "userName": "Anna", "autoUnlock": true, "completionStatus": 0, "eventId": 77, "eventTimestamp": "2026-03-04T05:06:07+00:00"}"#
    );
}

#[test]
fn a_turn_by_hand_has_no_user_whatever_the_event_carries() {
    let by_hand = Event {
        kind: EventKind::LockAction,
        trigger: Some(Trigger::Manual),
        method: Method::Manual,
        attribution: Attribution::Nobody,
        ..by_code()
    };
    assert_eq!(
        ours(&by_hand),
        r#", "action": 1, "trigger": 1, "autoUnlock": false, "completionStatus": 0, "eventId": 77, "eventTimestamp": "2026-03-04T05:06:07+00:00"}"#
    );
}

#[test]
fn before_the_log_is_read_only_what_the_lock_said_is_told() {
    for attribution in [Attribution::Pending, Attribution::Unknown(UnknownReason::PinMissing)] {
        let event = Event {
            kind: EventKind::StateChange,
            log_index: None,
            device_time: None,
            who: Who::default(),
            method: Method::Unknown,
            attribution,
            ..by_code()
        };
        assert_eq!(ours(&event), r#", "action": 1, "trigger": 0, "completionStatus": 0}"#);
    }
}

#[test]
fn an_event_that_does_not_explain_this_state_adds_nothing() {
    let other = StateChange { before: None, after: LockState::Locked };
    for event in [
        Event { change: None, ..by_code() },
        Event { change: Some(other), ..by_code() },
        Event { completion_status: Some(CompletionStatus::InvalidCode), ..by_code() },
        Event { completion_status: Some(CompletionStatus::Rejected), ..by_code() },
        Event { completion_status: Some(CompletionStatus::RejectedNightMode), ..by_code() },
        Event { completion_status: Some(CompletionStatus::InvalidFingerprint), ..by_code() },
    ] {
        assert_eq!(ours(&event), "}", "{event:?}");
    }
}

#[test]
fn a_code_without_a_name_does_not_borrow_the_keypads() {
    let mut event = by_code();
    event.who.code_name = None;
    let ours = ours(&event);
    assert!(ours.contains(r#""codeId": 12"#) && !ours.contains("Name"), "{ours}");
}

#[test]
fn a_finger_and_the_arrow_key_say_so_and_a_keypad_2_is_a_keypad() {
    let who = Who { auth_id: Some(9), auth_type: Some(IdType::Keypad2), ..Who::default() };
    for (method, source) in [(Method::Fingerprint, 2), (Method::ArrowKey, 0)] {
        let event = Event { method, who: who.clone(), ..by_code() };
        let expected = format!(r#""trigger": 255, "source": {source}, "authId": 9, "authType": 3"#);
        assert!(ours(&event).contains(&expected), "{method:?}");
    }
}

#[test]
fn a_clock_that_was_never_set_is_not_told_as_a_time() {
    let nonsense = DeviceTime { year: 2026, month: 13, day: 4, hour: 5, minute: 6, second: 7 };
    assert!(!ours(&Event { device_time: Some(nonsense), ..by_code() }).contains("eventTimestamp"));
}

#[test]
fn every_body_is_one_flat_object_of_scalars() {
    let mut event = by_code();
    event.who.code_name = Some("a\"b\\\n{}\u{1F511}".repeat(40));
    let body = body(Some(&event));
    assert!(body.is_ascii() && !body.contains('\n'));
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    let object = value.as_object().unwrap();
    assert!(object.values().all(|v| v.is_number() || v.is_string() || v.is_boolean()));
    assert_eq!(object["userName"].as_str().unwrap().chars().count(), 64);
}

#[test]
fn the_client_behind_it_stands_last_and_only_where_it_is_certain() {
    let ask = |event: &Event, client| {
        let body = body_for(Some(event), Some(client));
        body.strip_prefix(VENDOR).expect("the vendor's keys come first").to_owned()
    };
    let told = ask(&by_code(), "hall [panel]");
    assert!(told.ends_with(r#""eventTimestamp": "2026-03-04T05:06:07+00:00", "client": "hall  panel "}"#), "{told}");
    assert_eq!(ask(&by_code(), " "), ours(&by_code()), "a name that says nothing");
    let unsure = Event { attribution: Attribution::Unknown(UnknownReason::EntryMissing), ..by_code() };
    assert_eq!(ask(&unsure, "hall panel"), ours(&unsure));
    let refused = Event { completion_status: Some(CompletionStatus::Rejected), ..by_code() };
    let elsewhere = StateChange { before: None, after: LockState::Locked };
    for other in [refused, Event { change: Some(elsewhere), ..by_code() }] {
        assert_eq!(ask(&other, "hall panel"), ours(&other));
    }
}
