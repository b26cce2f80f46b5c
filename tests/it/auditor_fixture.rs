//! Four months at a front door in Zurich, written by hand: what the questions of `docs/queries.sql` are asked about.
//!
//! Times are UTC. The lock's zone is +01:00 in November and was +02:00 in August. "Now" is Friday, 2026-11-27, 09:00.

use keyturner::attribution::{Attribution, Event, EventKind, Method, StateChange, UnknownReason, Who};
use keyturner::clock::UnixMillis;
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::state::Battery;
use keyturner::protocol::users::{AuthorizationEntry, KeypadCode, TimeLimit};
use keyturner::protocol::{CompletionStatus, DoorEvent, IdType, LockAction, LockState, Trigger};
use keyturner::store::{Batch, IntentState, LockClock, NewIntent, Observation};

use crate::store::{Fixture, LOCK, batch, states, without_entry};

const ANNA: u32 = 7;
const BEN: u32 = 8;
const KEYPAD: u32 = 9;
const OURS: u32 = 5;

pub(crate) fn utc(text: &str) -> UnixMillis {
    UnixMillis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

struct Book<'a> {
    f: &'a Fixture,
    index: u32,
}

impl Book<'_> {
    /// Stores events of one moment, read at that moment.
    async fn note(&mut self, at: &str, events: impl IntoIterator<Item = Event>) {
        self.note_later(at, at, events).await;
    }

    /// Stores events of one moment, read at another.
    async fn note_later(&mut self, at: &str, read_at: &str, events: impl IntoIterator<Item = Event>) {
        let zone_offset = if utc(at) < utc("2026-10-25T01:00:00Z") { 120 } else { 60 };
        let events = events.into_iter().map(|event| {
            let log_index = event.log_index.map(|_| {
                self.index += 1;
                self.index
            });
            let raw = self.index.to_le_bytes().to_vec();
            Event { log_index, raw, device_time: DeviceTime::from_unix_seconds(utc(at).seconds()), ..event }
        });
        let clock = Some(LockClock { skew: 0, zone_offset });
        let batch = Batch { observed_at: utc(read_at), clock, events: events.collect(), ..batch(0) };
        self.f.store.commit(&batch).await.unwrap();
    }

    async fn look(&self, at: &str, battery: Battery, skew: i64) {
        let states = keyturner::protocol::state::KeyturnerStates { battery, ..states(LockState::Locked) };
        let clock = Some(LockClock { skew, zone_offset: 60 });
        let observations = vec![Observation { states, before: None }];
        self.f.store.commit(&Batch { observed_at: utc(at), clock, observations, ..batch(0) }).await.unwrap();
    }

    /// A client asks; how it ended. Gives the number of the intent.
    async fn ask(&self, at: &str, client: &str, action: LockAction, end: IntentState) -> i64 {
        let intent = NewIntent { nuki_id: LOCK, action, requester: client.to_owned(), at: utc(at) };
        let id = self.f.store.begin_intent(&intent).await.unwrap();
        self.f.store.finish_intent(id, end, "", utc(at)).await.unwrap();
        id
    }
}

fn moved(action: LockAction, method: Method, who: Who) -> Event {
    let (before, after) = match action {
        LockAction::Lock => (LockState::Unlocked, LockState::Locked),
        _ => (LockState::Locked, LockState::Unlocked),
    };
    Event {
        action: Some(action),
        trigger: Some(Trigger::System),
        completion_status: Some(CompletionStatus::Success),
        change: Some(StateChange { before: Some(before), after }),
        attribution: if who.auth_id.is_some() { Attribution::Matched } else { Attribution::Nobody },
        who,
        method,
        ..without_entry(EventKind::LockAction, Some(0))
    }
}

fn user(auth_id: u32, auth_type: IdType, name: &str) -> Who {
    Who { auth_id: Some(auth_id), auth_type: Some(auth_type), auth_name: Some(name.to_owned()), ..Who::default() }
}

fn anna(action: LockAction, name: &str) -> Event {
    moved(action, Method::App, user(ANNA, IdType::App, name))
}

fn ben(action: LockAction) -> Event {
    Event { presses: 1, ..moved(action, Method::Fob, user(BEN, IdType::Fob, "Ben's fob")) }
}

fn by_hand(action: LockAction) -> Event {
    Event { trigger: Some(Trigger::Manual), ..moved(action, Method::Manual, Who::default()) }
}

fn auto_lock() -> Event {
    Event { trigger: Some(Trigger::AutoLock), ..moved(LockAction::Lock, Method::AutoLock, Who::default()) }
}

fn code(code_id: u16, name: &str) -> Event {
    let who =
        Who { code_id: Some(code_id), code_name: Some(name.to_owned()), ..user(KEYPAD, IdType::Keypad, "Nuki Keypad") };
    Event { kind: EventKind::KeypadAction, ..moved(LockAction::Unlock, Method::Code, who) }
}

/// Nothing moved.
fn refused(event: Event, status: CompletionStatus) -> Event {
    Event { completion_status: Some(status), change: None, ..event }
}

fn wrong(method: Method, status: CompletionStatus) -> Event {
    let keypad = user(KEYPAD, IdType::Keypad, "Nuki Keypad");
    Event { who: keypad, method, attribution: Attribution::Nobody, ..refused(code(0, ""), status) }
}

fn door(event: DoorEvent) -> Event {
    Event { method: Method::DoorSensor, ..without_entry(EventKind::Door(event), Some(0)) }
}

fn ours(action: LockAction, intent_id: i64) -> Event {
    let who = user(OURS, IdType::Bridge, "Keyturner");
    Event { intent_id: Some(intent_id), ..moved(action, Method::Bridge, who) }
}

fn failed(action: LockAction, intent_id: i64, detail: &str) -> Event {
    Event {
        action: Some(action),
        intent_id: Some(intent_id),
        method: Method::Bridge,
        attribution: Attribution::Matched,
        who: Who { auth_id: Some(OURS), ..Who::default() },
        detail: Some(detail.to_owned()),
        ..without_entry(EventKind::IntentFailed, None)
    }
}

/// The bolt was seen to move; the log says nothing (yet).
fn seen(action: LockAction, attribution: Attribution) -> Event {
    Event {
        kind: EventKind::StateChange,
        log_index: None,
        action: None,
        completion_status: None,
        attribution,
        ..moved(action, Method::Unknown, Who::default())
    }
}

fn authorization(auth_id: u32, id_type: IdType, name: &str) -> AuthorizationEntry {
    AuthorizationEntry {
        auth_id,
        id_type,
        name: name.to_owned(),
        enabled: true,
        remote_allowed: true,
        created: None,
        last_active: None,
        lock_count: 0,
        time_limit: None,
    }
}

fn keypad_code(code_id: u16, name: &str) -> KeypadCode {
    KeypadCode {
        code_id,
        name: name.to_owned(),
        enabled: true,
        created: None,
        last_active: None,
        lock_count: 0,
        time_limit: None,
    }
}

async fn people(f: &Fixture) {
    let all = |anna| {
        [
            authorization(OURS, IdType::Bridge, "Keyturner"),
            authorization(ANNA, IdType::App, anna),
            authorization(BEN, IdType::Fob, "Ben's fob"),
            authorization(KEYPAD, IdType::Keypad, "Nuki Keypad"),
        ]
    };
    let monday_morning = TimeLimit { weekdays: 1 << 6, from_time: (8, 0), until_time: (12, 0), ..TimeLimit::default() };
    let summer = TimeLimit {
        until: DeviceTime::from_unix_seconds(utc("2026-09-30T22:00:00Z").seconds()),
        ..TimeLimit::default()
    };
    let cleaner = KeypadCode { time_limit: Some(monday_morning), ..keypad_code(1, "Cleaner") };
    let tenant = KeypadCode { time_limit: Some(summer), ..keypad_code(3, "Old tenant") };
    let neighbour = keypad_code(2, "Neighbour");
    let guest = keypad_code(4, "Guest");
    let store = &f.store;
    store.replace_users(LOCK, &all("Anni"), utc("2026-07-01T08:00:00Z")).await.unwrap();
    let codes = [cleaner, neighbour, tenant, guest];
    store.replace_keypad_codes(LOCK, &codes, utc("2026-07-01T08:00:00Z")).await.unwrap();
    store.replace_users(LOCK, &all("Anna"), utc("2026-11-10T08:00:00Z")).await.unwrap();
    store.replace_keypad_codes(LOCK, &codes[..3], utc("2026-11-20T08:00:00Z")).await.unwrap();
}

/// The database with everything in it.
pub(crate) async fn fixture() -> Fixture {
    use LockAction::{Lock, Unlatch, Unlock};
    let f = Fixture::new().await;
    people(&f).await;
    let mut book = Book { f: &f, index: 0 };

    // Summer. Anna is still called Anni.
    book.note("2026-08-01T10:00:00Z", [code(3, "Old tenant")]).await;
    book.note("2026-08-01T10:05:00Z", [anna(Lock, "Anni")]).await;
    book.note("2026-11-09T17:00:00Z", [anna(Unlock, "Anni")]).await;
    book.note("2026-11-09T17:02:00Z", [auto_lock()]).await;

    // Monday, 23 November.
    book.look("2026-11-16T06:00:00Z", Battery(84 << 1), 1_200).await;
    book.look("2026-11-23T06:00:00Z", Battery(80 << 1), -500).await;
    book.note("2026-11-23T06:30:00Z", [ben(Unlock)]).await;
    book.note("2026-11-23T06:40:00Z", [door(DoorEvent::Opened)]).await;
    book.note("2026-11-23T06:41:00Z", [door(DoorEvent::Closed)]).await;
    book.note("2026-11-23T06:45:00Z", [ben(Lock)]).await;
    book.note("2026-11-23T07:00:00Z", [code(1, "Cleaner")]).await;
    book.note("2026-11-23T08:59:59Z", [anna(Lock, "Anna")]).await;
    book.note("2026-11-23T09:00:00Z", [anna(Unlock, "Anna")]).await;
    let blocked = Some(StateChange { before: Some(LockState::Unlocked), after: LockState::MotorBlocked });
    let block = Event { change: blocked, ..refused(auto_lock(), CompletionStatus::MotorBlocked) };
    book.note("2026-11-23T09:20:00Z", [block]).await;
    book.note("2026-11-23T09:21:00Z", [by_hand(Lock)]).await;

    // Tuesday evening: somebody tries codes. Anna comes late and does not lock.
    for at in ["2026-11-24T20:00:00Z", "2026-11-24T20:01:00Z", "2026-11-24T20:04:30Z"] {
        book.note(at, [wrong(Method::Code, CompletionStatus::InvalidCode)]).await;
    }
    book.note("2026-11-24T20:10:00Z", [refused(code(1, "Cleaner"), CompletionStatus::Rejected)]).await;
    book.note("2026-11-24T21:30:00Z", [wrong(Method::Fingerprint, CompletionStatus::InvalidFingerprint)]).await;
    book.note("2026-11-24T22:30:00Z", [anna(Unlock, "Anna")]).await;
    book.note("2026-11-25T06:00:00Z", [ben(Lock)]).await;

    // Wednesday: clients of the API, and a door that stands open.
    let id = book.ask("2026-11-25T12:00:00Z", "http 10.0.0.7", Unlock, IntentState::Done).await;
    book.note("2026-11-25T12:00:02Z", [ours(Unlock, id)]).await;
    let id = book.ask("2026-11-25T12:10:00Z", "http 10.0.0.8", Lock, IntentState::Done).await;
    book.note("2026-11-25T12:10:02Z", [ours(Lock, id)]).await;
    let id = book.ask("2026-11-25T12:20:00Z", "http 10.0.0.7", Unlatch, IntentState::NotDone).await;
    book.note("2026-11-25T12:20:02Z", [failed(Unlatch, id, "the lock refused it")]).await;
    let id = book.ask("2026-11-25T12:30:00Z", "http 10.0.0.8", Unlock, IntentState::Unknown).await;
    book.note("2026-11-25T12:30:12Z", [failed(Unlock, id, "it may have happened")]).await;
    book.note("2026-11-25T12:58:00Z", [ben(Unlock)]).await;
    book.note("2026-11-25T13:00:00Z", [door(DoorEvent::Opened)]).await;
    book.note("2026-11-25T13:25:00Z", [door(DoorEvent::Closed)]).await;
    book.note("2026-11-25T13:30:00Z", [ben(Lock)]).await;

    // Thursday: the gateway was away until eight and finds a hole in the log.
    let away = |event| Event { backfilled: true, ..event };
    book.note_later("2026-11-26T03:10:00Z", "2026-11-26T08:00:00Z", [away(anna(Unlock, "Anna"))]).await;
    book.note_later("2026-11-26T03:20:00Z", "2026-11-26T08:00:00Z", [away(anna(Lock, "Anna"))]).await;
    let gap = Event {
        method: Method::Unknown,
        attribution: Attribution::Unknown(UnknownReason::EntryMissing),
        detail: Some("3 entries are missing".to_owned()),
        ..without_entry(EventKind::Gap, None)
    };
    book.note("2026-11-26T08:00:00Z", [gap]).await;
    // The entry comes 42.5 seconds after the state.
    book.note("2026-11-26T10:00:00Z", [seen(Unlock, Attribution::Pending)]).await;
    let late = Event { answers_pending: true, ..ben(Unlock) };
    book.note_later("2026-11-26T10:00:00Z", "2026-11-26T10:00:42.5Z", [late]).await;
    let missing = Attribution::Unknown(UnknownReason::EntryMissing);
    book.note("2026-11-26T11:00:00Z", [seen(Lock, missing)]).await;

    // Friday: its entry has not come yet.
    book.look("2026-11-27T06:00:00Z", Battery(18 << 1 | 1), 31_000).await;
    book.note("2026-11-27T07:00:00Z", [seen(Unlock, Attribution::Pending)]).await;
    f
}
