//! One command a line, one JSON object as the answer.

use serde_json::{Value, json};

use super::server::Server;
use crate::protocol::log::{LogEntry, LogEntryKind};
use crate::protocol::{LockAction, OpenerAction};
use crate::simlock::{Device, DoorMove, Fault, Input, Person, Refusal, Turn};

const HELP: &str = "keypad CODE | arrow | fob AUTH_ID | app NAME ACTION [auto] | button | ring | manual lock|unlock | \
                    door open|close | pairing on|off | fault NAME | drop | state | users | codes | log | help";

/// `{"ok":true,...}`, or `{"ok":false,"error":"..."}` when the command makes no sense. What somebody
/// at the door was refused has happened all the same: then it is `{"ok":true,"refused":"..."}`.
pub(super) fn answer(server: &mut Server, line: &str) -> Value {
    match carry_out(server, line.trim()) {
        Ok(mut answer) => {
            if let Some(object) = answer.as_object_mut() {
                object.insert("ok".to_owned(), Value::Bool(true));
            }
            answer
        }
        Err(error) => json!({"ok": false, "error": error}),
    }
}

fn carry_out(server: &mut Server, line: &str) -> Result<Value, String> {
    let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match (command, rest) {
        // A code that is no number is a wrong one; it is not repeated in the answer.
        ("keypad", code) if !code.is_empty() => {
            act(server, code.parse().map_or(Person::KeypadWrongCode, Person::keypad))
        }
        ("arrow", "") => act(server, Person::ArrowKey),
        ("fob", auth) => {
            let auth = auth.parse().map_err(|_| "fob needs the number of an authorization".to_owned())?;
            act(server, Person::Fob { auth })
        }
        ("app", rest) => {
            let person = app(server, rest)?;
            act(server, person)
        }
        ("button", "") => act(server, Person::Button),
        ("ring", "") => act(server, Person::Ring),
        ("manual", "lock") => act(server, Person::ManualTurn(Turn::Lock)),
        ("manual", "unlock") => act(server, Person::ManualTurn(Turn::Unlock)),
        ("door", "open") => act(server, Person::Door(DoorMove::Open)),
        ("door", "close") => act(server, Person::Door(DoorMove::Close)),
        ("pairing", "on") => Ok(feed(server, Input::PairingMode(true))),
        ("pairing", "off") => Ok(feed(server, Input::PairingMode(false))),
        ("fault", name) => Ok(feed(server, Input::Fault(fault(name)?))),
        ("drop", "") => Ok(json!({"links": server.drop_links()})),
        ("state", "") => Ok(state(server)),
        ("users", "") => Ok(users(server)),
        ("codes", "") => Ok(codes(server)),
        ("log", "") => Ok(json!({"entries": server.lock.log().iter().map(log_entry).collect::<Vec<_>>()})),
        ("help", "") => Ok(json!({"commands": HELP})),
        _ => Err(format!("not understood; try: {HELP}")),
    }
}

fn feed(server: &mut Server, input: Input) -> Value {
    server.feed(input);
    json!({})
}

fn act(server: &mut Server, person: Person) -> Result<Value, String> {
    server.feed(Input::Person(person));
    match server.lock.refusal() {
        None => Ok(json!({})),
        Some(
            refusal @ (Refusal::WrongCode
            | Refusal::CodeNotAllowed
            | Refusal::NotAllowed
            | Refusal::Busy
            | Refusal::TooRecent),
        ) => Ok(json!({"refused": refusal.to_string()})),
        Some(refusal) => Err(refusal.to_string()),
    }
}

/// The name may have blanks: `app Dora's phone unlock auto`.
fn app(server: &Server, text: &str) -> Result<Person, String> {
    let (text, auto_unlock) = match text.strip_suffix(" auto") {
        Some(rest) => (rest.trim_end(), true),
        None => (text, false),
    };
    let is_opener = server.lock.device() == Device::Opener;
    let (name, action) = text.rsplit_once(char::is_whitespace).ok_or("app needs a name and an action")?;
    let action = LockAction::KNOWN
        .iter()
        .find(|known| known.known_name() == Some(action))
        .copied()
        .filter(|_| !is_opener)
        .or_else(|| opener_action(action).filter(|_| is_opener))
        .ok_or("there is no such action; try unlock, lock, unlatch, lock_n_go, lock_n_go_unlatch, at an Opener open")?;
    let user = server.lock.users().iter().find(|user| user.entry.name == name.trim());
    let auth = user.ok_or("there is no authorization with that name")?.entry.auth_id;
    Ok(Person::App { auth, action, auto_unlock })
}

fn opener_action(name: &str) -> Option<LockAction> {
    OpenerAction::KNOWN.iter().find(|known| known.known_name() == Some(name)).map(|known| known.command())
}

fn fault(name: &str) -> Result<Fault, String> {
    Ok(match name {
        "drop_after_accepted" => Fault::DropAfterAccepted,
        "ignore_next_write" => Fault::IgnoreNextWrite,
        "mute_next_answer" => Fault::MuteNextAnswer,
        "duplicate_accepted" => Fault::DuplicateAccepted,
        "complete_without_accepted" => Fault::CompleteWithoutAccepted,
        "swallow_log_entry" => Fault::SwallowLogEntry,
        "motor_blocked" => Fault::MotorBlocked,
        "stuck_beacon on" => Fault::StuckBeacon(true),
        "stuck_beacon off" => Fault::StuckBeacon(false),
        "log_padding on" => Fault::LogPadding(true),
        "log_padding off" => Fault::LogPadding(false),
        _ => return Err("there is no such fault".to_owned()),
    })
}

fn state(server: &Server) -> Value {
    let state = server.lock.state();
    json!({
        "lock_state": state.lock_state.to_string(),
        "door": state.door.to_string(),
        "nuki_state": state.nuki_state.to_string(),
        "beacon_bit": state.state_changed,
        "trigger": state.trigger.to_string(),
        "last_action": state.last_action.action.to_string(),
        "completion_status": state.last_action.completion_status.to_string(),
        "links": server.lock.link_count(),
        "radio": server.has_radio(),
        "nuki_id": server.lock.nuki_id(),
    })
}

fn users(server: &Server) -> Value {
    let user = |user: &crate::simlock::UserRecord| {
        json!({
            "auth_id": user.entry.auth_id,
            "name": user.entry.name,
            "type": user.entry.id_type.to_string(),
            "enabled": user.entry.enabled,
            "lock_count": user.entry.lock_count,
        })
    };
    json!({"users": server.lock.users().iter().map(user).collect::<Vec<_>>()})
}

fn codes(server: &Server) -> Value {
    let code = |code: &crate::simlock::KeypadRecord| {
        json!({
            "code_id": code.entry.code_id,
            "name": code.entry.name,
            "enabled": code.entry.enabled,
            "lock_count": code.entry.lock_count,
        })
    };
    json!({"codes": server.lock.keypad_codes().iter().map(code).collect::<Vec<_>>()})
}

fn log_entry(entry: &LogEntry) -> Value {
    let mut json = json!({
        "index": entry.index,
        "time": entry.timestamp.map(|time| time.to_string()),
        "auth_id": entry.auth_id,
        "name": entry.name,
        "type": entry.kind.code(),
    });
    let mut put = |key: &str, value: Value| {
        if let Some(object) = json.as_object_mut() {
            object.insert(key.to_owned(), value);
        }
    };
    match &entry.kind {
        LogEntryKind::LockAction(a) | LogEntryKind::Calibration(a) | LogEntryKind::Initialisation(a) => {
            put("action", a.action.to_string().into());
            put("trigger", a.trigger.to_string().into());
            put("flags", a.flags.into());
            put("completion_status", a.completion_status.to_string().into());
        }
        LogEntryKind::Keypad(k) => {
            put("action", k.action.to_string().into());
            put("source", k.source.to_string().into());
            put("completion_status", k.completion_status.to_string().into());
            put("code_id", k.code_id.into());
        }
        LogEntryKind::Door(event) => put("door", event.to_string().into()),
        LogEntryKind::Logging(on) | LogEntryKind::DoorSensorLogging(on) => put("enabled", (*on).into()),
        LogEntryKind::Ring(_) | LogEntryKind::FirmwareUpdate(_) | LogEntryKind::Unknown { .. } => {}
    }
    json
}
