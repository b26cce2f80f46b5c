//! The command line: thin, one file per command.

/// In place of std's, which panics where nobody reads the output any more: a command that does something must not be broken
/// off in the middle for that.
macro_rules! println {
    ($($words:tt)*) => {
        $crate::cli::output::tell(format_args!("{}\n", format_args!($($words)*)))
    };
}

/// The same for `print!`.
macro_rules! print {
    ($($words:tt)*) => {
        $crate::cli::output::tell(format_args!($($words)*))
    };
}

mod act;
mod ask;
mod auth;
mod backup;
mod callback;
mod claim;
mod clock;
mod code;
mod config;
mod demo;
mod doctor;
mod enrol;
mod erase;
mod exit;
mod export;
mod health;
mod history;
mod host;
mod local;
mod locks;
mod output;
mod pair;
mod pin;
mod rekey;
mod reload;
mod run;
mod service;
pub mod sim;
mod status;
mod token;
mod unpair;
mod users;
mod verify;
mod webhook;
mod which;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::logging::{self, tame};
use crate::secrets::{Place, is_client_name};
use crate::simlock::Device;
use exit::Exit;

#[derive(Debug, Parser)]
#[command(
    version,
    about = "A gateway for Nuki smart locks that says who opened the door",
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = exit::WORDS
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the house at a glance: each lock, who was last, batteries, radio
    Status(status::StatusArgs),
    /// Lock a lock, once
    ///
    /// Exit code 3 if it is not known whether it was done.
    Lock(act::ActArgs),
    /// Unlock a lock, once
    ///
    /// The latch stays: `unlatch` opens the door. Exit code 3 if it is not known whether it was done.
    Unlock(act::ActArgs),
    /// Open a door, once: pull a lock's latch, or release an Opener's strike
    ///
    /// Exit code 3 if it is not known whether it was done.
    Unlatch(act::ActArgs),
    /// Say who was at the door
    History(history::HistoryArgs),
    /// Say who is known: people, keys and codes, and when each was seen last
    Users(users::UsersArgs),
    /// Say which keypad codes there are
    Codes(code::ListArgs),
    /// List, add, change and remove keypad codes of a lock
    ///
    /// Exit code 3 if it is not known whether it was done.
    #[command(subcommand)]
    Code(code::CodeCommand),
    /// List the paired locks
    Locks(locks::LocksArgs),
    /// Pair with a lock that is in pairing mode
    Pair(pair::PairArgs),
    /// Pair anew with a lock that is paired: another key, the same history and PIN
    Rekey(rekey::RekeyArgs),
    /// Have a lock forget this gateway, and forget its key
    ///
    /// What it did stays in the event log.
    Unpair(unpair::UnpairArgs),
    /// Set the security PIN of a paired lock; a running gateway notices
    Pin(pin::PinArgs),
    /// Show the clock of each lock beside this computer's, or set it
    Clock(clock::ClockArgs),
    /// Say which tokens there are, what they may do, and when each was used last
    Tokens(token::ListArgs),
    /// Print the token that may do everything, or give each client a token of its own
    Token(token::TokenArgs),
    /// Let a client fetch the token by the Bridge API's /auth
    #[command(subcommand)]
    Auth(auth::AuthCommand),
    /// Say who is told by the Bridge API's callbacks
    Callbacks(callback::CallbacksArgs),
    /// List and remove receivers of the Bridge API's callbacks
    #[command(subcommand)]
    Callback(callback::CallbackCommand),
    /// Say how every receiver of events is doing
    Webhooks(webhook::show::ListArgs),
    /// Push events to programs: add, look after and remove their receivers
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Say how the running gateway and its locks are
    ///
    /// Exit code 1 if something wants attention.
    Health(health::HealthArgs),
    /// Examine everything the gateway needs, and say what to do where something is amiss
    ///
    /// Nothing is changed. Exit code 1 if anything is amiss.
    Doctor(doctor::DoctorArgs),
    /// Check that nothing in the event log was changed, removed or slipped in
    ///
    /// Exit code 1 if something was.
    Verify(verify::VerifyArgs),
    /// Copy the event log to a file while the gateway runs
    Backup(backup::BackupArgs),
    /// Write the event log to standard output, or what it holds about one person
    Export(export::ExportArgs),
    /// Remove a person from the event log for good; the chain of hashes stays whole
    Erase(erase::EraseArgs),
    /// Check the configuration, or show what counts and where it is set
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Run the gateway: radio, event log, HTTP API
    Run(run::RunArgs),
    /// Show people at a simulated door, with everything else real; needs no hardware
    Demo(demo::DemoArgs),
    /// Serve a simulated lock on a Bluetooth adapter, or to a radio in another process
    Sim(SimArgs),
}

/// Where the gateway keeps its secrets and its event log.
#[derive(Debug, Clone, Args)]
struct DataArgs {
    /// Directory with secrets.json and keyturner.db
    #[arg(long, value_name = "DIR", env = "STATE_DIRECTORY", default_value = "/var/lib/keyturner")]
    data: PathBuf,
    /// Directory of the credentials that systemd hands to this process; it names it itself
    #[arg(long, value_name = "DIR", env = "CREDENTIALS_DIRECTORY", hide = true)]
    credentials: Option<PathBuf>,
}

/// How a configuration names a file that systemd hands over.
const CREDENTIAL: &str = "credential:";

impl DataArgs {
    /// Where the secrets are.
    fn place(&self) -> Place {
        Place::new(&self.data, self.credentials.clone())
    }

    /// A file of the configuration: a path, or `credential:NAME`.
    fn file(&self, path: PathBuf) -> anyhow::Result<PathBuf> {
        let Some(name) = path.to_str().and_then(|path| path.strip_prefix(CREDENTIAL)) else { return Ok(path) };
        let dir = self.credentials.as_ref().with_context(|| {
            format!("{CREDENTIAL}{name}: systemd hands no credentials to this process; add LoadCredential={name}:PATH to its unit")
        })?;
        anyhow::ensure!(
            Path::new(name).file_name().is_some_and(|file| file == name),
            "{CREDENTIAL}{name}: the name of a credential is no path; write it as in LoadCredential="
        );
        Ok(dir.join(name))
    }

    fn database(&self) -> PathBuf {
        self.data.join("keyturner.db")
    }
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct SimRadioArgs {
    /// Socket for the radio
    #[arg(long, value_name = "PATH")]
    radio: Option<PathBuf>,
    /// Bluetooth adapter such as hci1, on which BlueZ is to serve the lock to everybody near
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
}

#[derive(Debug, Args)]
struct SimArgs {
    #[command(flatten)]
    radio: SimRadioArgs,
    /// Socket for people at the door
    #[arg(long, value_name = "PATH")]
    control: PathBuf,
    /// Number of the lock
    #[arg(long, value_name = "HEX", default_value = "0A1B2C3D", value_parser = pair::parse_nuki_id)]
    nuki_id: u32,
    /// Which device: smart-lock-1 to smart-lock-4, smart-door, ultra or opener
    #[arg(long, value_name = "DEVICE", default_value = "smart-lock-3", value_parser = sim::parse_device)]
    device: Device,
    /// Security PIN of the simulated device [default: 1234, an Ultra's 123456]
    #[arg(long, value_name = "PIN")]
    pin: Option<u32>,
    /// Equal seeds give equal locks
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

impl From<SimArgs> for sim::SimOptions {
    fn from(args: SimArgs) -> Self {
        let SimArgs { radio, control, nuki_id, device, pin, seed } = args;
        let radio = match radio {
            SimRadioArgs { adapter: Some(name), .. } => sim::SimRadio::Adapter(name),
            // One of the two is there: the group is required.
            SimRadioArgs { radio, .. } => sim::SimRadio::Socket(radio.unwrap_or_default()),
        };
        Self { radio, control, nuki_id, device, pin, seed }
    }
}

/// The whole command line, for what is generated from it: manual pages, completions of shells.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command given on the command line. What its exit code means stands in `exit`.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let is_demo = matches!(cli.command, Command::Demo(_));
    // The demo says itself what happens at its door.
    logging::init(if is_demo { "keyturner=warn,keyturner::event=off" } else { "keyturner=info" });
    // What blocks has threads of its own, and each hand-over to a second one costs more than most tasks (docs/adr/0055).
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("cannot start")),
    };
    // In a box, because everything in it is compiled once more for each place of the runtime that polls it.
    let command: Pin<Box<dyn Future<Output = anyhow::Result<ExitCode>>>> = Box::pin(carry_out(cli.command));
    match runtime.block_on(command) {
        Ok(code) => code,
        // Whoever read has enough, such as `head`.
        Err(error) if error.is::<output::ReaderGone>() => Exit::Done.into(),
        Err(error) => fail(&error),
    }
}

async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(args).await,
        Command::Pair(args) => return pair::run(args).await,
        Command::Status(args) => return status::run(args).await,
        Command::Lock(args) => return act::run(act::Act::Lock, args).await,
        Command::Unlock(args) => return act::run(act::Act::Unlock, args).await,
        Command::Unlatch(args) => return act::run(act::Act::Unlatch, args).await,
        Command::Locks(args) => locks::run(args).await,
        Command::Unpair(args) => unpair::run(args).await,
        Command::Rekey(args) => return rekey::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::History(args) => return history::run(args).await,
        Command::Users(args) => return users::run(args).await,
        Command::Health(args) => return health::run(args).await,
        Command::Doctor(args) => return doctor::run(args).await,
        Command::Verify(args) => return verify::run(args).await,
        Command::Pin(args) => pin::run(args).await,
        Command::Clock(args) => return clock::run(args).await,
        Command::Code(command) => return code::run(command).await,
        Command::Codes(args) => return code::list_codes(&args).await,
        Command::Config(command) => return config::run(&command),
        Command::Backup(args) => backup::run(args).await,
        Command::Export(args) => export::run(args).await,
        Command::Erase(args) => erase::run(args).await,
        Command::Token(args) => token::run(args).await,
        Command::Tokens(args) => token::list(&args).await,
        Command::Auth(command) => auth::run(command).await,
        Command::Webhook(command) => webhook::run(command).await,
        Command::Webhooks(args) => webhook::show::list(args).await,
        Command::Callback(command) => return callback::run(command).await,
        Command::Callbacks(args) => return callback::list(args).await,
        Command::Sim(args) => tokio::select! {
            result = sim::serve(args.into()) => result,
            result = stop_signal() => result,
        },
    }?;
    Ok(ExitCode::SUCCESS)
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("keyturner: {}", words(error));
    exit::of(error).into()
}

/// An error with its causes, each said once, and what nobody but the reader can do about it.
fn words(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some errors quote their cause themselves.
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    let is_forbidden = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    if error.chain().any(is_forbidden) {
        text.push_str("; run this as root or as the user of the service: `sudo keyturner ...`");
    }
    text
}

/// The name of a client or receiver.
fn parse_name(text: &str) -> Result<String, String> {
    if is_client_name(text) {
        return Ok(text.to_owned());
    }
    Err("a name has 1 to 64 letters, digits, `-`, `_` and `.`".to_owned())
}

/// A new file that only its owner can read.
fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// 32 bytes from the operating system.
fn fresh_seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    Ok(seed)
}

/// Ends with SIGTERM or ctrl-C.
async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_each_cause_once_and_what_whoever_may_not_can_do() {
        let io = |kind| std::io::Error::new(kind, "gone");
        let plain = anyhow::Error::new(io(ErrorKind::NotFound)).context("cannot read x");
        assert_eq!(words(&plain), "cannot read x: gone");
        let quoted = anyhow::Error::new(io(ErrorKind::NotFound)).context("cannot read x: gone, try y");
        assert_eq!(words(&quoted), "cannot read x: gone, try y");
        let forbidden = anyhow::Error::new(io(ErrorKind::PermissionDenied)).context("cannot read x");
        assert!(
            words(&forbidden).ends_with("gone; run this as root or as the user of the service: `sudo keyturner ...`")
        );
    }

    #[test]
    fn the_command_line_can_be_built() {
        command().debug_assert();
    }

    #[test]
    fn a_file_of_the_configuration_is_a_path_or_a_credential_by_its_name() {
        let with = |dir: Option<&str>| DataArgs { data: PathBuf::new(), credentials: dir.map(PathBuf::from) };
        let file = |dir, name: &str| with(dir).file(PathBuf::from(name)).map_err(|error| error.to_string());
        let dir = Some("/run/credentials/keyturner.service");
        assert_eq!(file(None, "/etc/key.pem").unwrap(), PathBuf::from("/etc/key.pem"));
        assert_eq!(file(dir, "/etc/key.pem").unwrap(), PathBuf::from("/etc/key.pem"));
        let key = file(dir, "credential:tls.key").unwrap();
        assert_eq!(key, PathBuf::from("/run/credentials/keyturner.service/tls.key"));
        assert!(file(None, "credential:tls.key").unwrap_err().contains("LoadCredential=tls.key:PATH"));
        for name in ["credential:", "credential:..", "credential:../tls.key", "credential:a/b", "credential:/a"] {
            assert!(file(dir, name).unwrap_err().contains("is no path"), "{name}");
        }
    }
}
