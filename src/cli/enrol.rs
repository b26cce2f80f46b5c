//! What `keyturner pair` and `keyturner rekey` do with a lock that was found, told step by step.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use super::exit::Exit;
use super::output::Progress;
use super::run::{paired, seed_source};
use super::{DataArgs, tame};
use crate::clock::Clock;
use crate::gateway::new_row;
use crate::gateway::pair::Candidate;
use crate::pairing::{self, Known, Look, Owner, Parting, PinCheck, Tries, Wish};
use crate::protocol::IdType;
use crate::protocol::gatt::Generation;
use crate::secrets::LockSecret;
use crate::store::{LockRow, Store, StoreError};
use crate::transport::bluez::{BluezOptions, BluezTransport};

/// The name in the lock's user list; short, because the lock appends the intent's mark to it.
pub(super) const CLIENT_NAME: &str = "Keyturner";
/// Bytes of a name in the lock's log, and of the intent's mark behind it.
const _: () = assert!(CLIENT_NAME.len() + "#00000000".len() <= 32);

/// The real radio in the hands of an owner.
pub(super) fn owner(adapter: Option<String>) -> anyhow::Result<Owner> {
    Ok(Owner {
        transport: Arc::new(BluezTransport::new(BluezOptions {
            adapters: adapter.into_iter().collect(),
            known: Vec::new(),
        })),
        clock: Clock::system(),
        seed: seed_source()?,
    })
}

/// An enrolment as it is wanted.
pub(super) struct Enrolment<'a> {
    pub(super) data: &'a DataArgs,
    pub(super) owner: &'a Owner,
    pub(super) candidate: Candidate,
    pub(super) wish: Wish,
    /// Whether the PIN was given just now.
    pub(super) is_new_pin: bool,
    /// What the same lock was paired with before.
    pub(super) before: Option<LockSecret>,
}

/// Pairs, keeps the key, and looks at the lock. Once the key is kept, nothing is an error any more.
pub(super) async fn enrol(enrolment: Enrolment<'_>) -> anyhow::Result<ExitCode> {
    let Enrolment { data, owner, candidate, wish, is_new_pin, before } = enrolment;
    let app_id = wish.app_id;
    println!("Pairing ...");
    let lock = match Progress::new(true).during("pairing", owner.enrol(&candidate, wish)).await {
        Ok(lock) => lock,
        Err(error) => {
            let advice = pairing::advice(&error);
            return Err(match &before {
                Some(before) => anyhow!("{advice}. {}", key_of_before(&owner.is_known(before).await)),
                None => anyhow!(advice),
            });
        }
    };
    pairing::keep(&data.place(), &lock).context("the lock is paired, but its key could not be kept; pair again")?;
    println!("Paired, and the key is kept. Looking at the lock ...");

    let log = EventLog::open(data, &lock, app_id).await;
    let tries = match &log {
        Ok(log) => log.tries_now(&lock, is_new_pin).await.map_err(|error| error.to_string()),
        Err(error) => Err(format!("the event log cannot be used: {error}")),
    };
    let look = Progress::new(true).during("looking at the lock", owner.look(&lock, tries)).await;
    let mut is_left = false;
    for line in pin_words(&look.pin) {
        println!("{line}");
        is_left |= matches!(look.pin, PinCheck::Wrong | PinCheck::Banned);
    }
    if look.is_logging == Some(false) {
        println!("Its log is switched off, so nobody can be named: switch it on in the Nuki app.");
    }
    if let Some(before) = before
        && let Some(line) = part_with(owner, log.as_ref().ok(), &lock, before).await
    {
        println!("{line}");
        is_left = true;
    }
    println!("{}", last_line(&lock, &candidate, &look));
    if let Ok(log) = log
        && let Err(error) = log.close(look.name.as_deref()).await
    {
        eprintln!("keyturner: the name is not kept yet: {error}");
    }
    Ok(if is_left { Exit::Open } else { Exit::Done }.into())
}

/// Whether the lock can still be opened with the key on the disk.
fn key_of_before(known: &Known) -> String {
    match known {
        Known::Yes => "The key of before still counts".to_owned(),
        Known::No => {
            "THE KEY OF BEFORE COUNTS NO MORE: without another try the gateway cannot use this lock".to_owned()
        }
        Known::Untold(why) => format!("Whether the key of before still counts is not known: {why}"),
    }
}

fn pin_words(pin: &PinCheck) -> Vec<String> {
    match pin {
        PinCheck::NotGiven => vec![
            "Without the PIN the lock's log stays closed, and nobody can be named; `keyturner pin` sets it.".to_owned(),
        ],
        PinCheck::Right => vec!["The PIN is right.".to_owned()],
        PinCheck::Wrong => vec![
            "THE PIN IS WRONG. The lock is paired, but its log stays closed and nobody can be named.".to_owned(),
            "Look the PIN up in the Nuki app and set it with `keyturner pin`; after some wrong ones the lock takes none \
             for a while."
                .to_owned(),
        ],
        PinCheck::Banned => vec![
            "The lock takes no PIN for a while, because there were too many wrong ones. It is paired, but its log stays \
             closed."
                .to_owned(),
            "Wait an hour, let nobody try meanwhile, then set the PIN with `keyturner pin`.".to_owned(),
        ],
        PinCheck::Unchecked(why) => {
            vec![format!("Whether the PIN is right is not known yet: {why}. The gateway finds out when it runs.")]
        }
    }
}

/// Has the lock forget what it was paired with before. What is left to do, if anything.
async fn part_with(owner: &Owner, log: Option<&EventLog>, lock: &LockSecret, before: LockSecret) -> Option<String> {
    if before.uuid != lock.uuid {
        println!("The lock was reset since it was paired before, so it has forgotten the key of then.");
        return None;
    }
    if before.auth_id == lock.auth_id {
        return None;
    }
    let by_hand =
        format!("Remove \"{CLIENT_NAME}\" with the number {} in the Nuki app's list of users.", before.auth_id);
    let before = LockSecret { pin: lock.pin, ..before };
    let tries = match log {
        Some(log) if lock.pin.is_some() => log.tries(lock).await.ok(),
        _ => None,
    };
    let parting = match tries {
        Some(mut tries) => owner.part(&before, &mut tries).await,
        None => owner.part_without_pin(&before, "without the PIN it cannot be removed").await,
    };
    match parting {
        Parting::Forgotten => {
            println!("The lock has forgotten the key of before.");
            None
        }
        Parting::NotKnown => None,
        Parting::NotAsked(why) | Parting::Uncertain(why) => {
            Some(format!("The lock may still know the key of before: {why}. {by_hand}"))
        }
        Parting::Refused(code) => Some(format!("The lock still knows the key of before ({code}). {by_hand}")),
        Parting::NotDone => Some(format!("The lock still knows the key of before. {by_hand}")),
    }
}

fn last_line(lock: &LockSecret, candidate: &Candidate, look: &Look) -> String {
    let name = match &look.name {
        Some(name) => format!("{} ({})", tame(name), candidate.name()),
        None => candidate.name(),
    };
    let role = match (lock.generation, lock.id_type) {
        (Generation::Gen5, _) => {
            "as an app, because it has no bridge role; it does not say when something changed, and is asked now and then"
        }
        (_, IdType::Bridge) => "as its bridge",
        _ => "as an app; it does not say when something changed, and is asked now and then",
    };
    let log = if look.is_logging == Some(true) { ", and its log is on" } else { "" };
    format!(
        "Paired with {name}: authorization {}, {role}{log}. Start the gateway: `systemctl start keyturner`, or \
         `keyturner run`.",
        lock.auth_id
    )
}

/// The event log with this lock in it.
pub(super) struct EventLog {
    store: Store,
    row: LockRow,
}

impl EventLog {
    /// Opens it, and makes it where it is missing.
    pub(super) async fn open(data: &DataArgs, lock: &LockSecret, app_id: u32) -> Result<Self, StoreError> {
        let store = Store::open(&data.database()).await?;
        let row = match store.locks().await?.into_iter().find(|row| row.nuki_id == lock.nuki_id) {
            Some(row) => row,
            None => {
                let row = new_row(&paired(lock, app_id), Clock::system().wall());
                store.register_lock(&row).await?;
                row
            }
        };
        Ok(Self { store, row })
    }

    /// What is remembered of tries with the PIN, after pairing.
    async fn tries_now(&self, lock: &LockSecret, is_new_pin: bool) -> Result<Tries, StoreError> {
        if is_new_pin {
            Tries::begin_anew(&self.store, lock.nuki_id).await?;
        }
        let mut tries = self.tries(lock).await?;
        if lock.generation == Generation::Gen5 {
            // It was part of pairing, and the lock took it.
            tries.accepted().await?;
        }
        Ok(tries)
    }

    /// What is remembered of tries with the PIN.
    pub(super) async fn tries(&self, lock: &LockSecret) -> Result<Tries, StoreError> {
        Tries::read(&self.store, lock.nuki_id).await
    }

    /// Closes it, with the lock's name if that was read.
    pub(super) async fn close(self, name: Option<&str>) -> Result<(), StoreError> {
        if let Some(name) = name {
            self.store.register_lock(&LockRow { name: name.to_owned(), ..self.row }).await?;
        }
        self.store.close().await;
        Ok(())
    }
}
