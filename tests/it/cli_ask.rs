//! Whoever gives up at a question whose answer is not shown, sees again what they type.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use tempfile::TempDir;

use crate::support::house_cli::LIMIT;

/// Types `keys` once the PIN is asked for, or sends the signal `kill` names; what was on the screen afterwards.
fn given_up(keys: &str, kill: Option<&str>) -> String {
    let dir = TempDir::new().unwrap();
    // The shell itself stays, to say what became of the terminal.
    let line = format!(
        "trap : INT QUIT; {} pin --lock 0A1B2C3D --data {}; echo code=$?; stty -a",
        env!("CARGO_BIN_EXE_keyturner"),
        dir.path().display()
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--flush", "--command", &line, "/dev/null"]).env("SHELL", "/bin/sh");
    let mut child =
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`script`, on Debian in bsdutils");
    let (mut keyboard, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (sender, screen) = channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 1024];
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            if sender.send(bytes[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut seen = String::new();
    let mut until = |words: &str| {
        while !seen.contains(words) {
            let more = screen.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("no {words:?} in {seen}"));
            seen.push_str(&String::from_utf8_lossy(&more));
        }
        seen.clone()
    };
    // It is asked after the terminal hides what is typed.
    until("Security PIN of lock 0A1B2C3D: ");
    keyboard.write_all(keys.as_bytes()).unwrap();
    keyboard.flush().unwrap();
    if let Some(signal) = kill {
        let of_it = format!("{} pin --lock 0A1B2C3D --data {}", env!("CARGO_BIN_EXE_keyturner"), dir.path().display());
        let found = Command::new("pgrep").args(["-x", "-f", &of_it]).output().unwrap();
        let number = String::from_utf8(found.stdout).unwrap();
        assert!(Command::new("kill").args([signal, number.trim()]).status().unwrap().success(), "{number:?}");
    }
    // The last of stty's lines.
    let seen = until("echoke");
    child.wait().unwrap();
    seen
}

#[test]
fn ctrl_c_and_other_ends_leave_a_terminal_that_shows_what_is_typed() {
    for (keys, kill, code) in
        [("97\u{3}", None, 130), ("\u{1c}", None, 131), ("", Some("-TERM"), 143), ("", Some("-HUP"), 129)]
    {
        let seen = given_up(keys, kill);
        assert!(seen.contains(&format!("code={code}")), "{keys:?} {kill:?}: {seen}");
        assert!(seen.contains(" echo ") && !seen.contains("-echo "), "{keys:?} {kill:?}: {seen}");
        assert!(!seen.contains("97"), "what was typed is not shown: {seen}");
    }
}
