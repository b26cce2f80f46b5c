//! `keyturner pair` at a terminal: a real pseudo-terminal (`script`), on a fake `org.bluez`. The PIN is not echoed, and a
//! bridge is thrown out only for somebody who says so.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use keyturner::secrets::Secrets;
use tempfile::TempDir;

use crate::support::fake_bluez::{NUKI_ID, on_fake_bluez};

/// Far longer than anything here takes, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(60);

/// A command at a terminal of its own.
struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// Up to where of `seen` was looked at.
    read: usize,
    device: String,
}

impl Terminal {
    fn run(data: &Path, args: &str) -> Self {
        let command = format!("tty; exec {} {args}", env!("CARGO_BIN_EXE_keyturner"));
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
            .env("STATE_DIRECTORY", data)
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`script`, on Debian in bsdutils");
        let (keyboard, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut terminal = Self { child, keyboard, screen, seen: String::new(), read: 0, device: String::new() };
        terminal.until("\n");
        terminal.device = terminal.seen.lines().next().unwrap().trim().to_owned();
        terminal
    }

    /// Waits until these words are on the screen.
    #[track_caller]
    fn until(&mut self, words: &str) {
        loop {
            if let Some(at) = self.seen[self.read..].find(words) {
                self.read += at + words.len();
                return;
            }
            let more = self.screen.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("no {words:?} in {}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
    }

    /// Waits until the terminal shows no more what is typed: what is typed before is the keyboard's own affair.
    fn until_it_hides(&self) {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            let flags = Command::new("stty").args(["-F", &self.device, "-a"]).output().unwrap();
            if String::from_utf8_lossy(&flags.stdout).contains("-echo ") {
                return;
            }
        }
        panic!("{} shows what is typed", self.device);
    }

    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// The exit code, and everything that was on the screen.
    fn ends(mut self) -> (i32, String) {
        while let Ok(more) = self.screen.recv_timeout(LIMIT) {
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
        (self.child.wait().unwrap().code().unwrap(), self.seen)
    }
}

#[test]
fn a_pin_is_asked_for_without_showing_it_and_a_bridge_thrown_out_only_on_demand() {
    let name = "pair_terminal::a_pin_is_asked_for_without_showing_it_and_a_bridge_thrown_out_only_on_demand";
    on_fake_bluez(name, async |rig| {
        let dir = TempDir::new().unwrap();
        let data = dir.path();
        rig.lock("pairing on");

        // Whoever does not say yes changes nothing.
        let mut terminal = Terminal::run(data, "pair");
        terminal.until("Security PIN");
        terminal.until_it_hides();
        terminal.types("1234\r");
        terminal.until("A Nuki Bridge would lose this lock");
        terminal.until("Type \"yes\" to go on");
        terminal.types("n\n");
        let (code, seen) = terminal.ends();
        assert!(code == 1 && seen.contains("nothing was paired"), "{code}: {seen}");
        assert!(Secrets::load(data).unwrap().unwrap().locks().is_empty());

        // A lock that has left pairing mode while somebody thought about it.
        let mut terminal = Terminal::run(data, "pair");
        terminal.until("Security PIN");
        terminal.until_it_hides();
        terminal.types("1234\r");
        terminal.until("Type \"yes\" to go on");
        rig.lock("pairing off");
        terminal.types("yes\n");
        let (code, seen) = terminal.ends();
        assert!(code == 1 && seen.contains("it has left pairing mode meanwhile"), "{code}: {seen}");

        rig.lock("pairing on");
        let mut terminal = Terminal::run(data, "pair --pin-file -");
        terminal.until("Security PIN");
        terminal.until_it_hides();
        terminal.types("12\r");
        terminal.until("A security PIN has 4 digits");
        terminal.until("Security PIN");
        terminal.until_it_hides();
        terminal.types("1234\r");
        terminal.until("Type \"yes\" to go on");
        terminal.types("yes\n");
        terminal.until("The PIN is right.");
        let (code, seen) = terminal.ends();
        assert_eq!(code, 0, "{seen}");
        assert!(!seen.contains("1234"), "the PIN is on the screen: {seen}");
        let secrets = Secrets::load(data).unwrap().unwrap();
        let lock = secrets.lock(NUKI_ID).unwrap();
        assert!(lock.pin.is_some());

        // It is our bridge's place already, and an empty answer leaves the PIN as it is.
        let auth_id = lock.auth_id;
        rig.lock("pairing on");
        let mut terminal = Terminal::run(data, "pair");
        terminal.until("Security PIN");
        terminal.until_it_hides();
        terminal.types("\r");
        let (code, seen) = terminal.ends();
        assert!(code == 0 && !seen.contains("Type \"yes\"") && seen.contains("The PIN is right."), "{code}: {seen}");
        let secrets = Secrets::load(data).unwrap().unwrap();
        assert!(secrets.lock(NUKI_ID).is_some_and(|lock| lock.pin.is_some() && lock.auth_id != auth_id));

        let mut terminal = Terminal::run(data, "unpair 0A1B2C3D");
        terminal.until("Type \"unpair\" to go on");
        terminal.types("yes\n");
        let (code, seen) = terminal.ends();
        assert!(code == 1 && seen.contains("nothing was changed"), "{code}: {seen}");
        let mut terminal = Terminal::run(data, "unpair 0A1B2C3D");
        terminal.until("Type \"unpair\" to go on");
        terminal.types("unpair\n");
        let (code, seen) = terminal.ends();
        assert!(code == 0 && seen.contains("The lock has forgotten this gateway."), "{code}: {seen}");
    });
}
