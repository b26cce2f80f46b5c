//! `keyturner locks`.

use clap::Args;
use serde_json::{Value, json};

use super::{DataArgs, tame, which};
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
        println!("{}", Value::from_iter(shown.iter().map(Shown::json)));
    } else if shown.is_empty() {
        println!("No lock is paired; run `keyturner pair`.");
    } else {
        print!("{}", table(&shown));
    }
    Ok(())
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

    fn cells(&self) -> [String; 7] {
        let paired =
            self.paired_at.map_or_else(|| "not known".to_owned(), |at| at.rfc3339().chars().take(10).collect());
        [
            tame(&self.name),
            format!("{:08X}", self.nuki_id),
            self.kind.to_owned(),
            self.address.clone(),
            self.role.to_owned(),
            if self.has_pin { "yes" } else { "no" }.to_owned(),
            paired,
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

/// Columns as wide as their widest cell.
fn table(shown: &[Shown]) -> String {
    let heads = ["NAME", "NUMBER", "KIND", "ADDRESS", "ROLE", "PIN", "FIRST PAIRED"].map(str::to_owned);
    let lines: Vec<[String; 7]> = std::iter::once(heads).chain(shown.iter().map(Shown::cells)).collect();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column).unwrap_or(0)))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, has_pin: bool, paired_at: Option<UnixMillis>) -> Shown {
        Shown {
            name: name.to_owned(),
            nuki_id: 0x0A1B_2C3D,
            kind: "Opener",
            address: "54:D2:72:01:02:03".to_owned(),
            role: "bridge",
            auth_id: 7,
            has_pin,
            paired_at,
        }
    }

    #[test]
    fn the_table_has_straight_columns_and_steers_no_terminal() {
        let rows = [row("Haust\u{fc}r\u{1b}[2J", true, Some(UnixMillis(1_795_442_400_000))), row("B", false, None)];
        assert_eq!(
            table(&rows),
            "NAME         NUMBER    KIND    ADDRESS            ROLE    PIN  FIRST PAIRED\n\
             Haust\u{fc}r [2J  0A1B2C3D  Opener  54:D2:72:01:02:03  bridge  yes  2026-11-23\n\
             B            0A1B2C3D  Opener  54:D2:72:01:02:03  bridge  no   not known\n"
        );
    }
}
