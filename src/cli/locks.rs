//! `keyturner locks`.

use clap::Args;
use serde_json::{Value, json};

use super::output::{self, Cell, Fit, Table, WARN, local};
use super::{DataArgs, which};
use crate::clock::UnixMillis;
use crate::pairing;
use crate::protocol::IdType;
use crate::protocol::gatt::Generation;
use crate::secrets::{LockSecret, Secrets};
use crate::store::LockRow;

#[derive(Debug, Args)]
pub(super) struct LocksArgs {
    #[command(flatten)]
    data: DataArgs,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: LocksArgs) -> anyhow::Result<()> {
    let secrets = Secrets::load(args.data.place())?;
    let locks = secrets.as_ref().map(Secrets::locks).unwrap_or_default();
    let rows = which::rows(&args.data).await?;
    let shown: Vec<Shown> = locks.iter().map(|lock| Shown::of(lock, rows.get(&lock.nuki_id))).collect();
    if args.json {
        output::json(&Value::from_iter(shown.iter().map(Shown::json)))
    } else if shown.is_empty() {
        output::say("No lock is paired; run `keyturner pair`.")
    } else {
        table(&shown).print()
    }
}

/// What is shown of a lock: nothing that opens a door.
struct Shown {
    name: String,
    nuki_id: u32,
    kind: &'static str,
    address: String,
    role: &'static str,
    auth_id: u32,
    has_pin: bool,
    paired_at: Option<UnixMillis>,
}

impl Shown {
    fn of(lock: &LockSecret, row: Option<&LockRow>) -> Self {
        Self {
            name: row.map_or_else(|| lock.name.clone(), |row| row.name.clone()),
            nuki_id: lock.nuki_id,
            kind: kind(lock.generation, row),
            address: lock.address.to_string(),
            role: if lock.id_type == IdType::Bridge { "bridge" } else { "app" },
            auth_id: lock.auth_id,
            has_pin: lock.pin.is_some(),
            paired_at: row.map(|row| row.paired_at),
        }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "nukiId": self.nuki_id, "kind": self.kind, "address": self.address, "role": self.role,
            "authId": self.auth_id, "hasPin": self.has_pin, "pairedAt": self.paired_at.map(UnixMillis::rfc3339),
        })
    }

    fn cells(&self) -> [Cell; 7] {
        let paired = self.paired_at.map_or_else(|| "not known".to_owned(), |at| local(at).chars().take(10).collect());
        let pin = if self.has_pin { Cell::from("yes") } else { Cell::styled("no", WARN) };
        [
            Cell::from(&self.name),
            Cell::from(format!("{:08X}", self.nuki_id)),
            Cell::from(self.kind),
            Cell::from(&self.address),
            Cell::from(self.role),
            pin,
            Cell::from(paired),
        ]
    }
}

/// As exactly as it is known: what a lock is beyond its generation stands in its configuration.
const fn kind(generation: Generation, row: Option<&LockRow>) -> &'static str {
    match (generation, row) {
        // Until its configuration was read, the type in the row is a guess.
        (Generation::Gen1To4, Some(LockRow { device_type, firmware_version: Some(_), .. })) => match *device_type {
            0 => "Smart Lock 1 or 2",
            3 => "Smart Door",
            _ => "Smart Lock 3 or 4",
        },
        (generation, _) => pairing::kind(generation),
    }
}

fn table(shown: &[Shown]) -> Table<7> {
    let mut table = Table::new([
        ("NAME", Fit::Cut),
        ("NUMBER", Fit::Left),
        ("KIND", Fit::Cut),
        ("ADDRESS", Fit::Left),
        ("ROLE", Fit::Left),
        ("PIN", Fit::Left),
        ("FIRST PAIRED", Fit::Left),
    ]);
    shown.iter().for_each(|lock| table.row(lock.cells()));
    table
}
