//! The command line beside a running gateway: the real HTTP server with scripted locks, its event log and its secrets in one
//! directory, as on a real machine.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use keyturner::http::Token;
use keyturner::secrets::Secrets;
use tokio::time::timeout;

use crate::http_support::Server;

/// Far longer than anything here takes, on a busy machine too.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.out.lines().count(), 1, "one document on one line: {self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) struct Owner {
    pub(crate) server: Server,
}

impl Owner {
    /// With a gateway that runs.
    pub(crate) async fn new() -> Self {
        let server = Server::start_today(vec![Token::new("nobody", "x").unwrap()]).await;
        let secrets = Secrets::load_or_create(server.database().parent().unwrap()).unwrap();
        server.gate.set_tokens(vec![Token::new("bridge", secrets.bridge.token.expose()).unwrap()]);
        Self { server }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.server.database().parent().unwrap().to_owned()
    }

    /// `keyturner`, in this house, in UTC.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyturner"));
        command.args(args).env("STATE_DIRECTORY", self.dir()).env("TZ", "UTC").stdin(Stdio::null());
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command.env("KEYTURNER_LISTEN", self.server.address.to_string());
        command
    }

    /// The same where no gateway runs: nobody listens at port 1.
    pub(crate) fn alone(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.env("KEYTURNER_LISTEN", "127.0.0.1:1");
        command
    }

    pub(crate) async fn says(&self, args: &[&str]) -> Said {
        said(self.command(args)).await
    }

    pub(crate) async fn says_alone(&self, args: &[&str]) -> Said {
        said(self.alone(args)).await
    }
}

/// Runs a command to its end.
pub(crate) async fn said(command: Command) -> Said {
    let mut command = command;
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = timeout(LIMIT, output).await.expect("it ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// A command at a pseudo-terminal so many columns wide; what was on it, and how it ended.
pub(crate) async fn at_terminal(mut command: Command, columns: u16) -> (String, ExitStatus) {
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap().replace('\'', r"'\''")))
        .collect();
    let line = format!("stty cols {columns}; exec {}", words.join(" "));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
    script.env("SHELL", "/bin/sh").env("TERM", "xterm").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    script.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    command.stdin(Stdio::null());
    let mut child: Child = script.stdout(Stdio::piped()).spawn().expect("`script`, on Debian in bsdutils");
    let done = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut seen).unwrap();
        (String::from_utf8(seen).unwrap(), child.wait().unwrap())
    });
    timeout(LIMIT, done).await.expect("it ends").unwrap()
}
