//! `keyturner pin`.

use std::fs::File;
use std::io::stdin;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::pair::parse_nuki_id;
use super::{DataArgs, ask};
use crate::pins;
use crate::protocol::beacon::NukiId;
use crate::store::Store;
use zeroize::Zeroizing;

#[derive(Debug, Args)]
pub(super) struct PinArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Which lock (8 hex digits)
    #[arg(long, value_name = "HEX", value_parser = parse_nuki_id)]
    lock: NukiId,
    /// File with the lock's security PIN; `-` for standard input. Without it a terminal is asked
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

pub(super) async fn run(args: PinArgs) -> anyhow::Result<()> {
    let digits = match args.pin_file.as_ref().filter(|path| !is_typed(path)) {
        Some(path) => Some(read_digits(&args.data.file(path.clone())?)?),
        None if ask::is_possible() => ask::digits(format!("Security PIN of lock {:08X}", args.lock)).await?,
        None => bail!("nobody can be asked here; give --pin-file"),
    };
    let digits = digits.context("nothing was typed, so the PIN stays as it is")?;
    let path = args.data.database();
    // Without an event log no gateway has run yet, and no try was counted.
    let store = if path.exists() { Some(Store::open(&path).await?) } else { None };
    pins::set(args.data.place(), store.as_ref(), args.lock, &digits).await?;
    println!("The PIN of lock {:08X} is kept. A gateway that runs tries it within seconds.", args.lock);
    if let Some(path) = args.pin_file.filter(|path| !is_stdin(path)) {
        println!("Remove {} now.", path.display());
    }
    Ok(())
}

/// Whether this names standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether this names a terminal, which would show what is typed: then it is asked in the way that does not.
pub(super) fn is_typed(path: &Path) -> bool {
    is_stdin(path) && ask::is_possible()
}

/// 4 or 6 digits from a file, or from standard input.
pub(super) fn read_digits(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let (text, name) = if is_stdin(path) {
        (ask::secret(stdin()), "standard input".to_owned())
    } else {
        (File::open(path).and_then(ask::secret), path.display().to_string())
    };
    let text = text.with_context(|| format!("cannot read the PIN from {name}"))?;
    if !is_pin(text.trim()) {
        // The content is not shown: it may be a PIN with a typo.
        bail!("{name} must hold nothing but the security PIN: 4 digits, or 6 for a 5th-generation lock");
    }
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Whether a text can be a PIN of some lock.
pub(super) fn is_pin(text: &str) -> bool {
    (text.len() == 4 || text.len() == 6) && text.bytes().all(|byte| byte.is_ascii_digit())
}
