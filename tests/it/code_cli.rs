//! `keyturner code` as its owner uses it, with a running gateway's real HTTP server and scripted locks behind it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use keyturner::gateway::{CodeChange, GatewayError, LockSnapshot};
use keyturner::http::Token;
use keyturner::protocol::ErrorCode;
use keyturner::protocol::codes::SealedDigits;
use keyturner::protocol::users::{CodeDigits, KeypadCode, TimeLimit};
use keyturner::secrets::Secrets;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http_support::{FRONT, NOW, Server, front};
use crate::store::lock_row;

const DIGITS: &str = "968574";
const BACK: u32 = 0x2222_2222;

struct Owner {
    server: Server,
    dir: TempDir,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn digits() -> SealedDigits {
    CodeDigits::new(DIGITS.parse().unwrap()).unwrap().into()
}

impl Owner {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::load_or_create(dir.path()).unwrap();
        let token = Token::new("bridge", secrets.bridge.token.expose()).unwrap();
        let server = Server::start_today(vec![token]).await;
        server.doors.script().code_outcome = Ok(Some(3));
        Self { server, dir }
    }

    fn file(&self, content: &str) -> PathBuf {
        let path = self.dir.path().join("digits");
        std::fs::write(&path, content).unwrap();
        path
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyturner"));
        command.arg("code").env("STATE_DIRECTORY", self.dir.path()).env("KEYTURNER_LOG", "trace");
        command.env("KEYTURNER_LISTEN", self.server.address.to_string());
        command
    }

    async fn output(&self, args: &[&str], input: &'static str) -> Output {
        let mut command = self.command();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = move || {
            let mut child = command.spawn().unwrap();
            // One that asks for nothing may have gone.
            child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
            child.wait_with_output().unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        for said in [text(&output.stdout), text(&output.stderr)] {
            assert!(!said.contains(DIGITS), "{args:?}: {said}");
        }
        output
    }

    async fn run(&self, args: &[&str], input: &'static str) -> String {
        let output = self.output(args, input).await;
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Exit code, and what is said on standard error.
    async fn fails(&self, args: &[&str], input: &'static str) -> (i32, String) {
        let output = self.output(args, input).await;
        (output.status.code().unwrap(), text(&output.stderr))
    }

    /// What was asked of the lock since the last look, each under a key of its own.
    fn asked(&self) -> Vec<CodeChange> {
        let asked: Vec<_> = self.server.doors.script().codes_changed.drain(..).collect();
        assert!(asked.iter().all(|(lock, _, client, key)| *lock == FRONT && client == "bridge" && key.is_some()));
        asked.into_iter().map(|(_, change, ..)| change).collect()
    }
}

fn update() -> CodeChange {
    CodeChange::Update { code_id: 7, name: None, digits: None, enabled: None, time_limit: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_come_from_standard_input_or_a_file_and_never_from_the_command_line() {
    let owner = Owner::new().await;
    let said = owner.run(&["add", "--name", "Cleaner"], "968574\n").await;
    assert_eq!(said, format!("Code 3 of {FRONT:08X}: added.\n"));
    let added = CodeChange::Add { name: "Cleaner".to_owned(), digits: digits(), time_limit: None };
    assert_eq!(owner.asked(), std::slice::from_ref(&added));

    let file = owner.file(" 968574 \n");
    let said = owner.run(&["add", "--json", "--name", "Cleaner", "--digits-file", file.to_str().unwrap()], "").await;
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), json!({"nukiId": FRONT, "codeId": 3}));
    assert_eq!(owner.asked(), [added]);

    for args in [&["add", "--name", "A", "--digits", DIGITS][..], &["add", "--name", "A", DIGITS]] {
        let output = owner.command().args(args).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
    for input in ["", "12345", "123456", "968570", "968574 x"] {
        let (code, said) = owner.fails(&["add", "--name", "A"], input).await;
        assert!(code == 1 && said.contains("six digits from 1 to 9"), "{input}: {said}");
        assert!(input.is_empty() || !said.contains(input), "{said}");
    }
    let (code, said) = owner.fails(&["add", "--name", "A", "--digits-file", "/nowhere"], "").await;
    assert!(code == 1 && said.contains("/nowhere"), "{said}");
    assert_eq!(owner.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_changed_switched_and_removed_by_its_number() {
    let owner = Owner::new().await;
    let limit = TimeLimit { weekdays: 0b111_1100, from_time: (8, 0), until_time: (12, 5), ..TimeLimit::default() };
    let with = |edit: &dyn Fn(&mut CodeChange)| {
        let mut change = update();
        edit(&mut change);
        change
    };
    let cases: [(&[&str], &'static str, CodeChange); 7] = [
        (
            &["change", "7", "--name", "Anna"],
            "",
            with(&|c| {
                if let CodeChange::Update { name, .. } = c {
                    *name = Some("Anna".to_owned())
                }
            }),
        ),
        (
            &["change", "7", "--digits"],
            "968574",
            with(&|c| {
                if let CodeChange::Update { digits: d, .. } = c {
                    *d = Some(digits())
                }
            }),
        ),
        (
            &["change", "7", "--weekdays", "mon-fri", "--times", "08:00-12:05"],
            "",
            with(&|c| {
                if let CodeChange::Update { time_limit, .. } = c {
                    *time_limit = Some(Some(limit))
                }
            }),
        ),
        (
            &["change", "7", "--always"],
            "",
            with(&|c| {
                if let CodeChange::Update { time_limit, .. } = c {
                    *time_limit = Some(None)
                }
            }),
        ),
        (
            &["disable", "7"],
            "",
            with(&|c| {
                if let CodeChange::Update { enabled, .. } = c {
                    *enabled = Some(false)
                }
            }),
        ),
        (
            &["enable", "7"],
            "",
            with(&|c| {
                if let CodeChange::Update { enabled, .. } = c {
                    *enabled = Some(true)
                }
            }),
        ),
        (&["remove", "7"], "", CodeChange::Remove(7)),
    ];
    for (args, input, change) in cases {
        let said = owner.run(args, input).await;
        assert!(said.starts_with(&format!("Code 7 of {FRONT:08X}: ")), "{said}");
        assert_eq!(owner.asked(), [change], "{args:?}");
    }
    let (code, said) = owner.fails(&["change", "7"], "").await;
    assert!(code == 1 && said.contains("say what shall change"), "{said}");
    assert_eq!(owner.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_says_is_told_and_the_exit_code_says_whether_it_was_done() {
    let owner = Owner::new().await;
    let cases = [
        (GatewayError::Refused(ErrorCode::CodeAlreadyExists), 1, ["nothing was changed", "choose other digits"]),
        (GatewayError::NoPin("no PIN is known"), 1, ["nothing was changed", "keyturner pin"]),
        (GatewayError::NoKeypad, 1, ["nothing was changed", "no keypad is paired"]),
        (GatewayError::Uncertain, 3, ["it may have been done or not", "keyturner code list"]),
    ];
    for (error, expected, words) in cases {
        owner.server.doors.script().code_outcome = Err(error);
        let (code, said) = owner.fails(&["add", "--name", "Cleaner"], "968574").await;
        assert_eq!(code, expected, "{said}");
        assert!(words.iter().all(|words| said.contains(words)), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_listed_as_a_table_or_as_they_came() {
    let owner = Owner::new().await;
    let store = &owner.server.store;
    store.register_lock(&lock_row(FRONT, "Front")).await.unwrap();
    let code = KeypadCode {
        code_id: 7,
        name: "Anna\u{1b}[2J".to_owned(),
        enabled: true,
        created: None,
        last_active: None,
        lock_count: 5,
        time_limit: None,
    };
    store.replace_keypad_codes(FRONT, &[code], NOW).await.unwrap();
    let table = owner.run(&["list"], "").await;
    assert!(table.contains("\n 7  Anna [2J  on ") && table.contains("always") && !table.contains('\u{1b}'), "{table}");
    let answer: Value = serde_json::from_str(&owner.run(&["list", "--json"], "").await).unwrap();
    assert_eq!((&answer["nukiId"], &answer["codes"][0]["codeId"]), (&json!(FRONT), &json!(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_are_several_locks_one_has_to_be_named() {
    let owner = Owner::new().await;
    owner.server.doors.script().locks.insert(BACK, LockSnapshot { nuki_id: BACK, name: "Back".to_owned(), ..front() });
    let (code, said) = owner.fails(&["remove", "7"], "").await;
    assert!(code == 1 && said.contains("--lock") && said.contains("22222222 (Back)"), "{said}");
    assert_eq!(owner.asked(), []);
    owner.run(&["remove", "7", "--lock", &format!("{FRONT:08X}")], "").await;
    assert_eq!(owner.asked(), [CodeChange::Remove(7)]);
}

/// Plays a terminal: types each line when it is asked for one, and prints everything that the terminal showed.
const TERMINAL: &str = r#"
import os, pty, sys
lines = [b"968574\n", b"968574\n"]
pid, master = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
shown = b""
while True:
    try:
        some = os.read(master, 1024)
    except OSError:
        break
    if not some:
        break
    shown += some
    if lines and shown.rstrip().endswith(b":"):
        os.write(master, lines.pop(0))
        shown += b"\n"
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.stdout.buffer.write(shown)
sys.exit(status)
"#;

fn has_python() -> bool {
    Command::new("python3").arg("--version").output().is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_nothing_of_the_digits_that_are_typed() {
    if !has_python() {
        assert!(std::env::var_os("CI").is_none(), "python3 is needed");
        eprintln!("not run: there is no python3");
        return;
    }
    let owner = Owner::new().await;
    let mut command = Command::new("python3");
    command.args(["-c", TERMINAL, env!("CARGO_BIN_EXE_keyturner"), "code", "add", "--name", "Cleaner"]);
    command.args(["--data", owner.dir.path().to_str().unwrap(), "--listen", &owner.server.address.to_string()]);
    command.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown} {}", text(&output.stderr));
    assert!(shown.contains("not shown") && shown.contains("Once more") && shown.contains("added"), "{shown}");
    assert!(!shown.contains(DIGITS), "{shown}");
    assert_eq!(owner.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_digits_is_left_in_the_owners_directory() {
    let owner = Owner::new().await;
    owner.run(&["add", "--name", "Cleaner"], "968574\n").await;
    let holds = |path: &Path| std::fs::read(path).unwrap().windows(6).any(|window| window == DIGITS.as_bytes());
    for entry in std::fs::read_dir(owner.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        assert!(!holds(&path), "{}", path.display());
    }
}
