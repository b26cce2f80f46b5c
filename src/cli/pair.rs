//! `keyturner pair`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use zeroize::Zeroizing;

use super::{DataArgs, fresh_seed};
use crate::clock::Clock;
use crate::gateway::pair::{PairRequest, find, pair};
use crate::protocol::IdType;
use crate::protocol::beacon::{Family, NukiId, PairingMode, device_name};
use crate::protocol::crypto::Pin;
use crate::protocol::gatt::Generation;
use crate::secrets::{LockSecret, Secrets};
use crate::store::Store;
use crate::transport::bluez::{BluezOptions, BluezTransport};

/// The name in the lock's user list; short, because the lock appends the intent's mark to it.
pub(super) const CLIENT_NAME: &str = "Keyturner";
/// Bytes of a name in the lock's log, and of the intent's mark behind it.
const _: () = assert!(CLIENT_NAME.len() + "#00000000".len() <= 32);

#[derive(Debug, Args)]
pub(super) struct PairArgs {
    #[command(flatten)]
    data: DataArgs,
    /// File with the lock's security PIN; without the PIN nobody can be named
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// Pair this lock only (8 hex digits, printed on it and shown in the app)
    #[arg(long, value_name = "HEX", value_parser = parse_nuki_id)]
    nuki_id: Option<NukiId>,
    /// Register as an app instead of as the bridge: leaves an existing bridge alone, costs battery
    #[arg(long)]
    as_app: bool,
    /// Give up after so many seconds without a lock in pairing mode
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Bluetooth adapter such as hci0
    #[arg(long, value_name = "NAME", env = "KEYTURNER_ADAPTER")]
    adapter: Option<String>,
}

pub(super) fn parse_nuki_id(text: &str) -> Result<NukiId, String> {
    NukiId::from_str_radix(text, 16).map_err(|_| "a Nuki id has 8 hex digits, such as 0A1B2C3D".to_owned())
}

pub(super) async fn run(args: PairArgs) -> anyhow::Result<()> {
    let mut secrets = Secrets::load_or_create(args.data.place())?;
    // Before a bridge is thrown out for a key that could not be kept.
    secrets.check_writable()?;
    let pin = args.pin_file.as_deref().map(read_pin).transpose()?;
    if pin.is_none() {
        println!("No PIN given: the lock's log stays closed, and nobody can be named. Give it with --pin-file.");
    }
    let transport =
        BluezTransport::new(BluezOptions { adapters: args.adapter.into_iter().collect(), known: Vec::new() });
    println!("Looking for a lock in pairing mode (hold its button for 5 seconds until the ring lights up) ...");
    let found = find(&transport, args.nuki_id, Duration::from_secs(args.timeout)).await?;
    let family = match found.mode {
        PairingMode::Opener | PairingMode::UninitialisedOpener => Family::Opener,
        _ => Family::Lock,
    };
    let name = device_name(family, found.nuki_id);
    let signal = found.rssi.map_or_else(|| "unknown".to_owned(), |rssi| format!("{rssi} dBm"));
    println!("Found {name} at {} (signal {signal}).", found.address);
    let id_type = if args.as_app || found.mode == PairingMode::Lock5thGen { IdType::App } else { IdType::Bridge };
    if id_type == IdType::Bridge {
        println!("Registering as its bridge. A lock has one bridge: another one that is paired is thrown out.");
    }
    let request =
        PairRequest { id_type, app_id: secrets.app_id, name: CLIENT_NAME.to_owned(), pin, seed: fresh_seed()? };
    let (authorization, generation) = pair(&transport, Clock::system(), found.address, request).await?;
    secrets.put_lock(LockSecret {
        nuki_id: found.nuki_id,
        address: found.address,
        name: name.clone(),
        generation,
        auth_id: authorization.auth_id,
        id_type: authorization.id_type,
        shared_key: authorization.key,
        uuid: authorization.uuid,
        pin,
    });
    secrets.save().context("the lock is paired, but its key could not be kept; pair again")?;
    if pin.is_some() && args.data.database().exists() {
        // Paired again with a PIN: the tries with the one before are over.
        Store::open(&args.data.database()).await?.forget_pin_tries(found.nuki_id).await?;
    }
    println!("Paired with {name}: authorization {}. Start the gateway with `keyturner run`.", authorization.auth_id);
    if generation == Generation::Gen5 {
        println!("This lock has no bridge role, so it does not say when something changed.");
    }
    Ok(())
}

/// A PIN of 4 or 6 digits from a file.
fn read_pin(path: &std::path::Path) -> anyhow::Result<Pin> {
    Ok(Pin::new(read_digits(path)?.parse().context("the PIN is no number")?))
}

/// 4 or 6 digits from a file.
pub(super) fn read_digits(path: &std::path::Path) -> anyhow::Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.with_context(|| format!("cannot read the PIN from {}", path.display()))?;
    let digits = text.trim();
    if !(digits.len() == 4 || digits.len() == 6) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        // The content is not shown: it may be a PIN with a typo.
        bail!("{} must hold nothing but the security PIN: 4 digits, or 6 for a 5th-generation lock", path.display());
    }
    Ok(Zeroizing::new(digits.to_owned()))
}
