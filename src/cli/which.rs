//! Which of the paired locks is meant: by its number or by its name.

use std::collections::BTreeMap;

use anyhow::bail;

use super::pair::parse_nuki_id;
use super::{DataArgs, tame};
use crate::protocol::beacon::NukiId;
use crate::secrets::{LockSecret, Secrets};
use crate::store::{LockRow, Store};

/// What the event log knows of each lock; nothing if no gateway has run yet.
pub(super) async fn rows(data: &DataArgs) -> anyhow::Result<BTreeMap<NukiId, LockRow>> {
    let path = data.database();
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let store = Store::open(&path).await?;
    let rows = store.locks().await?.into_iter().map(|row| (row.nuki_id, row)).collect();
    store.close().await;
    Ok(rows)
}

/// What the owner calls a lock, as far as known.
pub(super) fn name<'a>(lock: &'a LockSecret, rows: &'a BTreeMap<NukiId, LockRow>) -> &'a str {
    rows.get(&lock.nuki_id).map_or(lock.name.as_str(), |row| row.name.as_str())
}

/// The paired lock with this number or name, and what it is called.
pub(super) async fn lock(data: &DataArgs, wanted: &str) -> anyhow::Result<(LockSecret, String)> {
    let Some(secrets) = Secrets::load(data.place())? else {
        bail!("there are no secrets in {}; is --data right?", data.data.display());
    };
    // An event log that cannot be read must not keep anybody from using a number.
    let rows = match rows(data).await {
        Ok(rows) => rows,
        Err(error) => {
            eprintln!("keyturner: names are not known: {error:#}");
            BTreeMap::new()
        }
    };
    let number = parse_nuki_id(wanted).ok().filter(|_| wanted.len() == 8);
    let found: Vec<&LockSecret> = match number.and_then(|number| secrets.lock(number)) {
        Some(lock) => vec![lock],
        None => {
            let is_meant = |lock: &&LockSecret| name(lock, &rows) == wanted || lock.name == wanted;
            secrets.locks().iter().filter(is_meant).collect()
        }
    };
    let numbers =
        |locks: &[&LockSecret]| locks.iter().map(|lock| format!("{:08X}", lock.nuki_id)).collect::<Vec<_>>().join(", ");
    match found.as_slice() {
        [lock] => Ok(((*lock).clone(), tame(name(lock, &rows)))),
        [] => bail!("no lock {:?} is paired; `keyturner locks` lists those that are", tame(wanted)),
        several => bail!("{} are called so; give the number of the one you mean", numbers(several)),
    }
}
