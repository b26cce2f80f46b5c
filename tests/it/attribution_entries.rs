//! What one entry of the log says by itself: who, by what means, for which intent, and when it does not say.

use keyturner::attribution::{
    Attribution, Code, Directory, Event, EventKind, Method, Order, UnknownReason, User, event_of,
};
use keyturner::protocol::log::{KeypadEntry, LogEntry, LogEntryKind, LoggedAction, Ring};
use keyturner::protocol::{CompletionStatus, IdType, KeypadSource, LockAction, Trigger};

const KEYPAD: u32 = 1;
const DORA: u32 = 3;
const OWN: u32 = 7;
const STRANGER: u32 = 99;
const ANNAS_CODE: u16 = 5;
const RIDDLE: Attribution = Attribution::Unknown(UnknownReason::NotUnderstood);

fn event(kind: LogEntryKind, auth_id: u32, name: &str) -> Event {
    let mut directory = Directory::default();
    let users = [(KEYPAD, "Nuki Keypad", IdType::Keypad), (DORA, "Dora", IdType::App), (OWN, "Keyturner", IdType::App)];
    for (id, name, id_type) in users {
        directory.set_user(id, User { name: name.to_owned(), id_type, created: None });
    }
    directory.set_code(ANNAS_CODE, Code { name: "Anna".to_owned(), created: None });
    let entry = LogEntry { index: 1, timestamp: None, auth_id, name: name.to_owned(), kind };
    event_of(&entry, &directory, Order::After, OWN)
}

fn action(trigger: Trigger) -> LogEntryKind {
    let completion_status = CompletionStatus::Success;
    LogEntryKind::LockAction(LoggedAction { action: LockAction::Unlock, trigger, flags: 0, completion_status })
}

fn ring(source: u8, code_id: u16) -> LogEntryKind {
    LogEntryKind::Ring(Ring {
        mode: Ring::RING_TO_OPEN,
        source,
        geofence: false,
        suppressed: false,
        sound_id: 0,
        completion_status: CompletionStatus::Success,
        code_id,
    })
}

#[test]
fn only_our_own_name_with_eight_hex_digits_carries_an_intent() {
    // (whose, as which name) -> (the name, the intent)
    let cases = [
        (OWN, "Keyturner #0000002A", "Keyturner", Some(42)),
        (OWN, "Keyturner#ffffffff", "Keyturner", Some(0xFFFF_FFFF)),
        (OWN, "Keyturner", "Keyturner", None),
        (OWN, "Keyturner #2A", "Keyturner #2A", None),
        (OWN, "Keyturner #00000002A", "Keyturner #00000002A", None),
        (OWN, "Keyturner #0000002G", "Keyturner #0000002G", None),
        (OWN, "Keyturner #-000002A", "Keyturner #-000002A", None),
        (OWN, "Keyturner #+000002A", "Keyturner #+000002A", None),
        (DORA, "Dora #0000002A", "Dora #0000002A", None),
        (STRANGER, "Keyturner #0000002A", "Keyturner #0000002A", None),
    ];
    for (auth_id, name, shown, intent_id) in cases {
        let event = event(action(Trigger::System), auth_id, name);
        assert_eq!((event.who.user_name(), event.intent_id), (Some(shown), intent_id), "{auth_id} {name}");
    }
}

#[test]
fn an_action_is_somebodys_if_it_has_a_number_and_a_riddle_if_nobody_knows_what_set_it_off() {
    let cases = [
        (Trigger::System, OWN, Attribution::Matched, Method::Bridge),
        (Trigger::System, DORA, Attribution::Matched, Method::App),
        (Trigger::System, STRANGER, Attribution::Matched, Method::Unknown),
        (Trigger::System, 0, Attribution::Nobody, Method::Device),
        (Trigger::Manual, 0, Attribution::Nobody, Method::Manual),
        (Trigger::Unknown(0x77), 0, RIDDLE, Method::Unknown),
        (Trigger::Unknown(0x77), DORA, Attribution::Matched, Method::Unknown),
    ];
    for (trigger, auth_id, attribution, method) in cases {
        let event = event(action(trigger), auth_id, "");
        assert_eq!((event.attribution, event.method), (attribution, method), "{trigger} {auth_id}");
    }
}

#[test]
fn an_entry_that_nobody_understands_says_who_if_it_has_a_number() {
    for (auth_id, attribution) in [(0, RIDDLE), (DORA, Attribution::Matched)] {
        let event = event(LogEntryKind::Unknown { code: 0x7F, data: vec![1, 2] }, auth_id, "");
        assert_eq!((event.kind, event.attribution), (EventKind::UnknownEntry(0x7F), attribution));
        assert_eq!(event.who.user_name(), (auth_id == DORA).then_some("Dora"));
    }
}

#[test]
fn a_keypad_names_the_holder_of_the_code_and_never_itself() {
    use CompletionStatus::{InvalidCode, InvalidFingerprint, Success};
    use KeypadSource::{ArrowKey, Code, Fingerprint, Unknown};
    let cases = [
        (Code, ANNAS_CODE, Success, Attribution::Matched, Some("Anna")),
        (Code, ANNAS_CODE + 1, Success, Attribution::Matched, None),
        (Code, 0, InvalidCode, Attribution::Nobody, None),
        (Fingerprint, 0, InvalidFingerprint, Attribution::Nobody, None),
        (Code, 0, Success, RIDDLE, None),
        (Unknown(9), 0, Success, RIDDLE, None),
        (ArrowKey, 0, Success, Attribution::Nobody, None),
    ];
    for (source, code_id, completion_status, attribution, name) in cases {
        let entry = KeypadEntry { action: LockAction::Unlock, source, completion_status, code_id };
        let event = event(LogEntryKind::Keypad(entry), KEYPAD, "Nuki Keypad");
        let what = format!("{source} {code_id} {completion_status}");
        assert_eq!((event.attribution, event.who.user_name()), (attribution, name), "{what}");
    }
}

#[test]
fn a_ring_that_opened_is_somebodys_a_riddle_or_nobodys() {
    let cases = [
        (0, 0, 0, Attribution::Nobody, Method::Manual),
        (1, 0, 0, Attribution::Nobody, Method::TimeControl),
        (3, 0, 0, Attribution::Nobody, Method::Button),
        (2, 0, 0, RIDDLE, Method::App),
        (2, 0, DORA, Attribution::Matched, Method::App),
        (4, 0, 0, RIDDLE, Method::Fob),
        (5, 0, DORA, Attribution::Matched, Method::Bridge),
        (6, ANNAS_CODE, 0, Attribution::Matched, Method::Code),
        (6, 0, 0, RIDDLE, Method::Code),
        (0x77, 0, 0, RIDDLE, Method::Unknown),
    ];
    for (source, code_id, auth_id, attribution, method) in cases {
        let event = event(ring(source, code_id), auth_id, "");
        assert_eq!((event.attribution, event.method), (attribution, method), "{source} {code_id} {auth_id}");
        assert_eq!(event.trigger.is_none(), source == 0x77, "{source}");
    }
}
