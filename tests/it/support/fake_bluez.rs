//! A test on a fake `org.bluez` of its own: a private bus, one adapter, one lock in another process.
//!
//! libdbus takes the address of the bus from the environment, which belongs to the whole process. So each test starts this
//! very program once more for itself alone, on its own bus (`tests/rig/fake/with-fake-bluez`).

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use keyturner::cli::sim::{self, SimOptions};
use keyturner::simlock::Device;
use keyturner::transport::Address;
use keyturner::transport::sim::address_of;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Where the sockets are; set in the process that runs the test itself.
const DIRECTORY: &str = "KEYTURNER_FAKE_BLUEZ";
/// As `keyturner sim` is delivered.
pub(crate) const PIN: u32 = 1234;
pub(crate) const NUKI_ID: u32 = 0x0A1B_2C3D;

/// What can be done to BlueZ and to the lock.
pub(crate) struct Rig {
    dir: PathBuf,
}

impl Rig {
    /// Tells the fake what is to go wrong; see `tests/rig/fake/control.py`.
    #[track_caller]
    pub(crate) fn bluez(&self, order: &Value) -> Value {
        ask(&self.dir.join("bluez"), &order.to_string())
    }

    /// The next call of this member is answered with an error.
    #[track_caller]
    pub(crate) fn fail(&self, member: &str, error: &str, text: &str, times: u32) {
        self.bluez(&json!({"do": "fail", "member": member, "error": error, "text": text, "times": times}));
    }

    /// How often a member was called.
    #[track_caller]
    pub(crate) fn calls(&self, member: &str) -> u64 {
        self.bluez(&json!({"do": "calls"}))["calls"][member].as_u64().unwrap_or(0)
    }

    /// One command of `keyturner sim`.
    #[track_caller]
    pub(crate) fn lock(&self, command: &str) -> Value {
        ask(&self.dir.join("control"), command)
    }

    /// A place for another socket.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    #[allow(clippy::unused_self)]
    pub(crate) fn address(&self) -> Address {
        address_of(NUKI_ID)
    }
}

/// Waits in the world's time, at most `limit`.
pub(crate) async fn until(what: &str, limit: Duration, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One line to a socket, and the answer, which must not be a refusal.
#[track_caller]
pub(crate) fn ask(socket: &Path, line: &str) -> Value {
    let mut stream = UnixStream::connect(socket).unwrap();
    writeln!(stream, "{line}").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["ok"], true, "{line}: {answer}");
    answer
}

/// Runs `body` on a fake of its own, with a Smart Lock 3; `name` is the test's whole name.
pub(crate) fn on_fake_bluez<F: Future<Output = ()>>(name: &str, body: impl FnOnce(Rig) -> F) {
    on_fake_bluez_with(Device::SmartLock3, name, body);
}

/// The same with another device.
pub(crate) fn on_fake_bluez_with<F: Future<Output = ()>>(device: Device, name: &str, body: impl FnOnce(Rig) -> F) {
    if let Some(dir) = env::var_os(DIRECTORY) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(body(Rig { dir: dir.into() }));
    }
    if Command::new("dbus-daemon").arg("--version").output().is_err() {
        assert!(env::var_os("CI").is_none(), "dbus-daemon is missing; on Debian: apt install dbus");
        // Past the harness, which does not show what a passed test prints.
        #[expect(clippy::explicit_write, reason = "eprintln would be caught by the harness")]
        writeln!(std::io::stderr(), "NOT RUN: {name}: dbus-daemon is missing; on Debian: apt install dbus").unwrap();
        return;
    }
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).into_os_string();
    // The fake waits for its sockets. It ends with the runtime.
    let lock = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    lock.spawn(sim::serve(SimOptions { device, ..SimOptions::new(path("radio"), path("control")) }));
    let rig = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/fake/with-fake-bluez");
    let output = Command::new(rig)
        .args(["--radio".into(), path("radio"), "--control".into(), path("bluez")])
        // A real one waits for two seconds at each end of a link.
        .args(["--disconnect-seconds", "0.1"])
        .arg(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(DIRECTORY, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{name} on its fake org.bluez:\n{text}");
    print!("{text}");
}
