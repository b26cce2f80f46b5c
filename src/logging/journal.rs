//! The journal's own protocol: one datagram for each line, with fields.
//! <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::line::Line;

const SOCKET: &str = "/run/systemd/journal/socket";
/// Which file standard error is if systemd has connected it to the journal, as `device:inode`.
const STREAM: &str = "JOURNAL_STREAM";

/// The way to the journal, if that is where standard error goes.
///
/// The variable alone says nothing: it is inherited by whatever is started from a service, wherever that writes to.
pub(super) fn socket() -> Option<UnixDatagram> {
    let stream = std::env::var(STREAM).ok()?;
    // Standard error by its path: no `unsafe`, and no call that only exists for this.
    let stderr = std::fs::metadata("/proc/self/fd/2").ok()?;
    if stream != format!("{}:{}", stderr.dev(), stderr.ino()) {
        return None;
    }
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect(SOCKET).ok()?;
    Some(socket)
}

/// Writes each line to the journal.
pub(super) struct JournalLayer {
    socket: UnixDatagram,
}

impl JournalLayer {
    pub(super) const fn new(socket: UnixDatagram) -> Self {
        Self { socket }
    }
}

impl<S: Subscriber> Layer<S> for JournalLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = Line::of(event);
        if self.socket.send(&datagram(&line)).is_err() {
            // The journal was restarted, or the line is too long for a datagram. Standard error ends up there as well,
            // with the level that systemd reads from its beginning.
            eprintln!("<{}>{}", priority(line.level), line.text());
        }
    }
}

fn datagram(line: &Line) -> Vec<u8> {
    let mut datagram = Vec::new();
    put(&mut datagram, "MESSAGE", &line.text());
    put(&mut datagram, "PRIORITY", priority(line.level));
    put(&mut datagram, "SYSLOG_IDENTIFIER", "keyturner");
    put(&mut datagram, "TARGET", line.target);
    for (name, value) in &line.fields {
        put(&mut datagram, &field_name(name), value);
    }
    datagram
}

/// As syslog numbers them.
const fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

/// Capital letters, digits and underscores are all that the journal takes, and nothing of its own may be written over.
fn field_name(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let name = name.trim_start_matches('_');
    match name {
        "MESSAGE" | "PRIORITY" | "SYSLOG_IDENTIFIER" | "TARGET" => format!("FIELD_{name}"),
        _ => name.to_owned(),
    }
}

fn put(datagram: &mut Vec<u8>, name: &str, value: &str) {
    datagram.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        // A value that has lines comes with its length; otherwise a line of it could pass for a field.
        datagram.push(b'\n');
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        datagram.extend_from_slice(&length.to_le_bytes());
    } else {
        datagram.push(b'=');
    }
    datagram.extend_from_slice(value.as_bytes());
    datagram.push(b'\n');
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::super::EVENT;
    use super::super::line::tests::logged;
    use super::*;

    #[test]
    fn a_line_goes_to_the_journal_with_its_fields_and_its_priority() {
        let (ours, journal) = UnixDatagram::pair().unwrap();
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(JournalLayer::new(ours)), || {
            tracing::warn!(target: EVENT, lock = "0A1B2C3D", event_id = 7, auth_id = 3, "Front door: Anna came in");
        });
        let mut bytes = [0; 1024];
        let length = journal.recv(&mut bytes).unwrap();
        assert_eq!(
            core::str::from_utf8(&bytes[..length]).unwrap(),
            "MESSAGE=Front door: Anna came in\nPRIORITY=4\nSYSLOG_IDENTIFIER=keyturner\nTARGET=keyturner::event\n\
             LOCK=0A1B2C3D\nEVENT_ID=7\nAUTH_ID=3\n"
        );
    }

    #[test]
    fn a_value_with_lines_is_no_second_field() {
        let lines = logged(|| tracing::error!(error = "one\nLOCK=00000000", _pid = 1, "no"));
        let datagram = datagram(&lines[0]);
        let mut field = b"ERROR\n".to_vec();
        field.extend_from_slice(&17u64.to_le_bytes());
        field.extend_from_slice(b"one\nLOCK=00000000\n");
        assert!(datagram.windows(field.len()).any(|part| part == field), "{datagram:?}");
        assert!(datagram.starts_with(b"MESSAGE=no: one LOCK=00000000 (_pid=1)\nPRIORITY=3\n"), "{datagram:?}");
        assert!(datagram.ends_with(b"\nPID=1\n"), "a field that begins with _ is the journal's own");
    }
}
