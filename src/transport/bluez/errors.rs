//! What BlueZ's errors mean to us: one table.

use std::time::Duration;

use bluer::{Error, ErrorKind, InternalErrorKind};

use crate::transport::{TransportError, TransportErrorKind as Kind};

/// What was being done; the same error means something else in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Talking to bluetoothd about the adapter: only our side is involved.
    Adapter,
    /// Making a connection.
    Connect,
    /// Using a connection.
    Link,
}

/// A bluer error as ours.
pub(crate) fn translate(stage: Stage, what: &str, error: &Error) -> TransportError {
    explain(classify(stage, error), format!("{what}: {error}"))
}

/// Our own time limit has passed.
pub(crate) fn elapsed(stage: Stage, what: &str, limit: Duration) -> TransportError {
    let kind = match stage {
        // Nothing but bluetoothd is involved, so bluetoothd hangs.
        Stage::Adapter => Kind::ServiceUnavailable,
        Stage::Connect | Stage::Link => Kind::Timeout,
    };
    explain(kind, format!("{what}: no answer within {} s", limit.as_secs()))
}

/// An error, with what to do where the computer is the trouble: then it does not pass by itself.
pub(crate) fn explain(kind: Kind, detail: impl Into<String>) -> TransportError {
    let mut detail = detail.into();
    if kind.is_ours() {
        detail.push_str("; ");
        detail.push_str(kind.advice());
    }
    TransportError::new(kind, detail)
}

/// Whether BlueZ has no such object: never heard, forgotten, or the adapter is gone.
pub(crate) fn is_missing(error: &Error) -> bool {
    match &error.kind {
        ErrorKind::NotFound | ErrorKind::DoesNotExist => true,
        ErrorKind::Internal(InternalErrorKind::DBus(name)) => is_missing_name(name),
        _ => false,
    }
}

/// Whether there was no connection to end or to use.
pub(super) fn is_not_connected(error: &Error) -> bool {
    match &error.kind {
        ErrorKind::Internal(InternalErrorKind::DBus(name)) => name == "org.bluez.Error.NotConnected",
        // WriteValue and StartNotify say it so when the link went a moment ago.
        ErrorKind::Failed => error.message.eq_ignore_ascii_case("not connected"),
        _ => false,
    }
}

/// Whether a connection failed because the controller was busy with something
/// else, so that a second attempt is likely to succeed.
pub(super) fn is_transient(error: &Error) -> bool {
    error.kind == ErrorKind::InProgress || error.message.contains("abort-by-local")
}

/// D-Bus says this when the path or its interface is gone; libdbus chooses
/// between the names by whether anything is left below the path.
fn is_missing_name(name: &str) -> bool {
    ["UnknownObject", "UnknownMethod", "UnknownInterface"]
        .iter()
        .any(|end| name.strip_prefix("org.freedesktop.DBus.Error.") == Some(*end))
}

fn classify(stage: Stage, error: &Error) -> Kind {
    if is_missing(error) {
        return match stage {
            Stage::Adapter => Kind::NoAdapter,
            // A device object that is not trusted goes when an attempt fails, or when the device is silent.
            Stage::Connect => Kind::ConnectFailed,
            // A link's objects go with the link.
            Stage::Link => Kind::LinkLost,
        };
    }
    match (&error.kind, stage) {
        (ErrorKind::InProgress, _) => Kind::Busy,
        // The adapter is switched off, by rfkill or by someone's hand.
        (ErrorKind::NotReady | ErrorKind::InvalidName(_), _) => Kind::NoAdapter,
        (ErrorKind::ServicesUnresolved | ErrorKind::NotificationSessionStopped, _) => Kind::LinkLost,
        (ErrorKind::NotAuthorized, Stage::Adapter) => Kind::NotPermitted,
        // The characteristic of this name is not what it was: treated as a stale table.
        (ErrorKind::NotSupported, Stage::Link) => Kind::MissingCharacteristic,
        (ErrorKind::Internal(internal), _) => classify_internal(internal),
        // Everything else that Connect says ("le-connection-abort-by-local",
        // "br-connection-canceled", "profile unavailable") is: no connection.
        (_, Stage::Connect) => Kind::ConnectFailed,
        (_, Stage::Link) if is_not_connected(error) => Kind::LinkLost,
        _ => Kind::Other,
    }
}

fn classify_internal(internal: &InternalErrorKind) -> Kind {
    let name = match internal {
        InternalErrorKind::DBus(name) => name.as_str(),
        InternalErrorKind::DBusConnectionLost | InternalErrorKind::Io(_) | InternalErrorKind::JoinError => {
            return Kind::ServiceUnavailable;
        }
        _ => return Kind::Other,
    };
    if let Some(bluez) = name.strip_prefix("org.bluez.Error.") {
        return match bluez {
            // "Blocked through rfkill"
            "Blocked" => Kind::NoAdapter,
            "Busy" => Kind::Busy,
            "NotConnected" => Kind::LinkLost,
            _ => Kind::Other,
        };
    }
    let Some(dbus) = name.strip_prefix("org.freedesktop.DBus.Error.") else { return Kind::Other };
    match dbus {
        "AccessDenied" | "AuthFailed" | "InteractiveAuthorizationRequired" => Kind::NotPermitted,
        // The bus is not there, or its peer left before it answered.
        "ServiceUnknown" | "NameHasNoOwner" | "NoReply" | "NoServer" | "FileNotFound" | "Disconnected" | "Timeout"
        | "TimedOut" | "LimitsExceeded" => Kind::ServiceUnavailable,
        // The bus tried to start bluetoothd and could not.
        _ if dbus.starts_with("Spawn.") => Kind::ServiceUnavailable,
        _ => Kind::Other,
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    fn dbus(name: &str) -> ErrorKind {
        ErrorKind::Internal(InternalErrorKind::DBus(name.to_owned()))
    }

    fn error(kind: ErrorKind, message: &str) -> Error {
        Error { kind, message: message.to_owned() }
    }

    #[test]
    fn each_error_has_one_meaning_per_stage() {
        let all = [Stage::Adapter, Stage::Connect, Stage::Link];
        let freedesktop = |name: &str| dbus(&format!("org.freedesktop.DBus.Error.{name}"));
        let bluez = |name: &str| dbus(&format!("org.bluez.Error.{name}"));
        let table = [
            (ErrorKind::InProgress, "", [Kind::Busy; 3]),
            (ErrorKind::NotReady, "Resource Not Ready", [Kind::NoAdapter; 3]),
            (ErrorKind::InvalidName("x y".into()), "", [Kind::NoAdapter; 3]),
            (ErrorKind::NotFound, "", [Kind::NoAdapter, Kind::ConnectFailed, Kind::LinkLost]),
            (ErrorKind::DoesNotExist, "", [Kind::NoAdapter, Kind::ConnectFailed, Kind::LinkLost]),
            (freedesktop("UnknownObject"), "", [Kind::NoAdapter, Kind::ConnectFailed, Kind::LinkLost]),
            (freedesktop("UnknownMethod"), "", [Kind::NoAdapter, Kind::ConnectFailed, Kind::LinkLost]),
            (ErrorKind::ServicesUnresolved, "", [Kind::LinkLost; 3]),
            (ErrorKind::Failed, "le-connection-abort-by-local", [Kind::Other, Kind::ConnectFailed, Kind::Other]),
            (ErrorKind::Failed, "br-connection-canceled", [Kind::Other, Kind::ConnectFailed, Kind::Other]),
            (ErrorKind::Failed, "Not connected", [Kind::Other, Kind::ConnectFailed, Kind::LinkLost]),
            (
                ErrorKind::Failed,
                "Operation failed with ATT error: 0x0e",
                [Kind::Other, Kind::ConnectFailed, Kind::Other],
            ),
            (ErrorKind::ConnectionAttemptFailed, "", [Kind::Other, Kind::ConnectFailed, Kind::Other]),
            (ErrorKind::NotAvailable, "", [Kind::Other, Kind::ConnectFailed, Kind::Other]),
            (ErrorKind::NotSupported, "", [Kind::Other, Kind::ConnectFailed, Kind::MissingCharacteristic]),
            (ErrorKind::NotAuthorized, "", [Kind::NotPermitted, Kind::ConnectFailed, Kind::Other]),
            (bluez("NotConnected"), "Not Connected", [Kind::LinkLost; 3]),
            (bluez("Blocked"), "Blocked through rfkill", [Kind::NoAdapter; 3]),
            (bluez("Busy"), "", [Kind::Busy; 3]),
            (bluez("Brandnew"), "", [Kind::Other; 3]),
            (freedesktop("AccessDenied"), "Rejected send message", [Kind::NotPermitted; 3]),
            (freedesktop("ServiceUnknown"), "", [Kind::ServiceUnavailable; 3]),
            (freedesktop("NameHasNoOwner"), "", [Kind::ServiceUnavailable; 3]),
            (freedesktop("NoReply"), "Message recipient disconnected", [Kind::ServiceUnavailable; 3]),
            (freedesktop("FileNotFound"), "Failed to connect to socket", [Kind::ServiceUnavailable; 3]),
            (freedesktop("Spawn.ServiceNotFound"), "", [Kind::ServiceUnavailable; 3]),
            (ErrorKind::Internal(InternalErrorKind::DBusConnectionLost), "", [Kind::ServiceUnavailable; 3]),
            (ErrorKind::Internal(InternalErrorKind::InvalidValue), "", [Kind::Other; 3]),
        ];
        for (kind, message, expected) in table {
            for (stage, expected) in all.into_iter().zip(expected) {
                let error = error(kind.clone(), message);
                assert_eq!(translate(stage, "test", &error).kind, expected, "{error:?} in {stage:?}");
            }
        }
    }

    #[test]
    fn the_text_says_what_where_and_what_to_do() {
        let text = translate(Stage::Adapter, "switching hci0 on", &error(ErrorKind::NotFound, "")).to_string();
        assert!(text.contains("no usable Bluetooth adapter") && text.contains("switching hci0 on"), "{text}");
        assert!(text.contains("rfkill"), "{text}");
        let denied = dbus("org.freedesktop.DBus.Error.AccessDenied");
        let text = translate(Stage::Adapter, "scanning", &error(denied, "Rejected")).to_string();
        assert!(text.contains("group bluetooth") && text.contains("Rejected"), "{text}");
        assert_eq!(elapsed(Stage::Adapter, "x", Duration::from_secs(5)).kind, Kind::ServiceUnavailable);
        assert_eq!(elapsed(Stage::Connect, "x", Duration::from_secs(5)).kind, Kind::Timeout);
    }

    #[test]
    fn a_second_attempt_only_where_it_can_help() {
        assert!(is_transient(&error(ErrorKind::InProgress, "")));
        assert!(is_transient(&error(ErrorKind::Failed, "le-connection-abort-by-local")));
        assert!(!is_transient(&error(ErrorKind::Failed, "le-connection-refused")));
        assert!(!is_transient(&error(ErrorKind::NotReady, "")));
    }
}
