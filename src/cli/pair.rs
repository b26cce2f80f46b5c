//! `keyturner pair`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;
use zeroize::Zeroizing;

use super::claim::{Claim, Held};
use super::enrol::{CLIENT_NAME, Enrolment, enrol, owner};
use super::output::Progress;
use super::pin::{is_typed, read_digits};
use super::{DataArgs, ask};
use crate::gateway::pair::{Candidate, PairError, listen};
use crate::pairing::{self, Wish};
use crate::pins;
use crate::protocol::IdType;
use crate::protocol::beacon::{NukiId, PairingMode};
use crate::protocol::crypto::Pin;
use crate::secrets::{LockSecret, Secrets};
use crate::session::pairing::PairingError;

/// Others that are in pairing mode are heard within this time: a lock advertises once a second at least.
const OTHERS_WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  keyturner pair
  keyturner pair --nuki-id 3C8862ED --pin-file pin")]
pub(super) struct PairArgs {
    #[command(flatten)]
    data: DataArgs,
    /// File with the lock's security PIN, `-` for standard input, or credential:NAME; without it a terminal is asked.
    /// Without the PIN nobody can be named
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// Pair this lock only (8 hex digits, printed on it and shown in the app)
    #[arg(long, value_name = "HEX", value_parser = parse_nuki_id)]
    nuki_id: Option<NukiId>,
    /// Register as an app instead of as the bridge: leaves an existing bridge alone, costs battery
    #[arg(long)]
    as_app: bool,
    /// Do not ask before another bridge is thrown out
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    search: SearchArgs,
}

/// How a lock is looked for.
#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    /// Give up after so many seconds without a lock in pairing mode
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(super) timeout: u64,
    /// Bluetooth adapter such as hci0
    #[arg(long, value_name = "NAME", env = "KEYTURNER_ADAPTER")]
    pub(super) adapter: Option<String>,
}

pub(super) fn parse_nuki_id(text: &str) -> Result<NukiId, String> {
    NukiId::from_str_radix(text, 16).map_err(|_| "a Nuki id has 8 hex digits, such as 0A1B2C3D".to_owned())
}

/// Exit code 0: paired; 3: paired, and the owner has something left to do.
pub(super) async fn run(args: PairArgs) -> anyhow::Result<ExitCode> {
    let secrets = writable_secrets(&args.data)?;
    let _only_one = Claim::take(&args.data.data, Held::ByCommand)?;
    let typed = typed_pin(&args).await?;
    let owner = owner(args.search.adapter.clone())?;

    println!("Looking for a lock in pairing mode ({}) ...", pairing::BUTTON);
    let limit = Duration::from_secs(args.search.timeout);
    let found = listen(&*owner.transport, args.nuki_id, limit, OTHERS_WITHIN, |_| ());
    let found =
        Progress::new(true).during("listening", found).await.map_err(|error| anyhow!(pairing::advice(&error)))?;
    for candidate in &found {
        println!("Found {}.", describe(candidate));
    }
    let candidate = choose(&found, ask::is_possible()).await?;

    let before = secrets.lock(candidate.nuki_id).cloned();
    let id_type = role(&candidate, args.as_app);
    let pin = pin_for(&candidate, typed.as_deref().map(String::as_str), before.as_ref())?;
    let is_ours = before.as_ref().is_some_and(|before| before.id_type == IdType::Bridge);
    if id_type == IdType::Bridge && !is_ours {
        println!("Registering as its bridge. A lock has one bridge: another one that is paired is thrown out.");
        if ask::is_possible() && !args.yes {
            println!(
                "A Nuki Bridge would lose this lock, and what works through it, until it is paired again in the Nuki app. \
                 --as-app leaves it alone."
            );
            if !ask::is_typed("yes").await? {
                bail!("nothing was paired");
            }
        }
    }
    let wish = Wish { id_type, app_id: secrets.app_id, name: CLIENT_NAME.to_owned(), pin };
    let is_new_pin = typed.is_some();
    enrol(Enrolment { data: &args.data, owner: &owner, candidate, wish, is_new_pin, before }).await
}

/// The secrets, after it was seen that a key can be kept: before a bridge is thrown out for it.
pub(super) fn writable_secrets(data: &DataArgs) -> anyhow::Result<Secrets> {
    let mut secrets = Secrets::load_or_create(data.place())?;
    secrets.check_writable()?;
    secrets.save()?;
    Ok(secrets)
}

/// The 5th generation has no bridge role.
pub(super) fn role(candidate: &Candidate, as_app: bool) -> IdType {
    if as_app || candidate.mode == PairingMode::Lock5thGen { IdType::App } else { IdType::Bridge }
}

/// What was typed, or read from a file; `None` for nothing. Asked first, because a lock leaves pairing mode by itself.
async fn typed_pin(args: &PairArgs) -> anyhow::Result<Option<Zeroizing<String>>> {
    match args.pin_file.as_ref().filter(|path| !is_typed(path)) {
        Some(path) => read_digits(&args.data.file(path.clone())?).map(Some),
        None if ask::is_possible() => {
            println!("The security PIN lets Keyturner read the lock's log; {}.", pairing::PIN_PLACE);
            let what = "Security PIN, which is not shown (empty: without one, and nobody can be named)";
            ask::digits(what.to_owned()).await
        }
        None => Ok(None),
    }
}

/// The PIN for this device: the one given, or the one it was paired with before.
fn pin_for(candidate: &Candidate, typed: Option<&str>, before: Option<&LockSecret>) -> anyhow::Result<Option<Pin>> {
    let pin = match typed {
        None => before.and_then(|before| before.pin),
        Some(digits) => {
            let length = match candidate.mode {
                PairingMode::Lock5thGen => 6,
                PairingMode::Lock | PairingMode::Opener | PairingMode::UninitialisedOpener => 4,
                PairingMode::UninitialisedLock => digits.len(),
            };
            Some(pins::parse(digits, length)?)
        }
    };
    if pin.is_none() && candidate.mode == PairingMode::Lock5thGen {
        bail!(pairing::advice(&PairError::Pairing(PairingError::PinNeeded)));
    }
    match (typed, pin) {
        (None, Some(_)) => println!("Its PIN of before is kept."),
        (None, None) => {
            println!("No PIN given: the lock's log stays closed, and nobody can be named. Give it with --pin-file.");
        }
        _ => {}
    }
    Ok(pin)
}

/// The only one, or the one that is chosen.
async fn choose(found: &[Candidate], may_ask: bool) -> anyhow::Result<Candidate> {
    if let [candidate] = found {
        return Ok(*candidate);
    }
    let lines: Vec<String> = found.iter().map(describe).collect();
    if !may_ask {
        bail!("{} locks are in pairing mode; choose one with --nuki-id:\n  {}", found.len(), lines.join("\n  "));
    }
    println!("Several are in pairing mode:");
    for (number, line) in lines.iter().enumerate() {
        println!("  {}  {line}", number + 1);
    }
    let chosen = ask::which(found.len()).await?;
    found.get(chosen).copied().ok_or_else(|| anyhow!("that was none of them"))
}

fn describe(candidate: &Candidate) -> String {
    let signal = candidate.rssi.map_or_else(|| "unknown".to_owned(), |rssi| format!("{rssi} dBm"));
    format!(
        "{} at {} (number {:08X}, {}, signal {signal})",
        candidate.name(),
        candidate.address,
        candidate.nuki_id,
        pairing::device(candidate.mode)
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn candidate(nuki_id: NukiId, mode: PairingMode) -> Candidate {
        Candidate { nuki_id, address: "54:D2:72:01:02:03".parse().unwrap(), mode, rssi: Some(-60) }
    }

    #[tokio::test]
    async fn where_nobody_can_be_asked_several_locks_are_an_error_that_lists_them() {
        let two = [candidate(0x0A1B_2C3D, PairingMode::Lock), candidate(0x0000_00FF, PairingMode::Opener)];
        let error = choose(&two, false).await.unwrap_err().to_string();
        for words in ["2 locks", "--nuki-id", "0A1B2C3D", "000000FF", "Opener", "-60 dBm", "54:D2:72:01:02:03"] {
            assert!(error.contains(words), "{words}: {error}");
        }
        assert_eq!(choose(&two[..1], false).await.unwrap(), two[0]);
    }

    #[test]
    fn a_pin_has_the_length_that_the_device_wants_and_no_error_holds_it() {
        let pin = |mode, typed| pin_for(&candidate(1, mode), typed, None);
        assert_eq!(pin(PairingMode::Lock, Some("0012")).unwrap(), Some(Pin::new(12)));
        assert_eq!(pin(PairingMode::Lock5thGen, Some("123456")).unwrap(), Some(Pin::new(123_456)));
        assert_eq!(pin(PairingMode::Opener, None).unwrap(), None);
        for (mode, typed) in [(PairingMode::Lock, "654321"), (PairingMode::Lock5thGen, "4321")] {
            let error = pin(mode, Some(typed)).unwrap_err().to_string();
            assert!(error.contains("digits") && !error.contains(typed), "{error}");
        }
        assert!(pin(PairingMode::Lock5thGen, None).unwrap_err().to_string().contains("6-digit"));
    }
}
