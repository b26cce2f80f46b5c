//! Which of the paired locks is meant: by its number or by its name.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

use super::pair::parse_nuki_id;
use super::{DataArgs, tame};
use crate::protocol::beacon::NukiId;
use crate::secrets::{LockSecret, Secrets};
use crate::store::{LockRow, Store, StoreError};

/// What the event log knows of each lock; nothing if no gateway has run yet.
pub(super) async fn rows(data: &DataArgs) -> anyhow::Result<BTreeMap<NukiId, LockRow>> {
    let store = match Store::look(&data.database()).await {
        Ok(store) => store,
        // What an older version wrote is read once a gateway has brought it up to date.
        Err(StoreError::NoDatabase { .. } | StoreError::Older { .. }) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
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
    // The name in the secrets is the advertised one, which counts as well.
    let named = secrets.locks().iter().flat_map(|lock| {
        let own = (lock.nuki_id, name(lock, &rows).to_owned());
        let advertised = (lock.nuki_id, lock.name.clone());
        if own == advertised { vec![own] } else { vec![own, advertised] }
    });
    let nuki_id = choose(&named.collect::<Vec<_>>(), wanted)?;
    let Some(lock) = secrets.lock(nuki_id) else { bail!("no lock {nuki_id:08X} is paired") };
    Ok((lock.clone(), tame(name(lock, &rows))))
}

/// The lock that is meant by its number (8 hex digits) or, in capitals or not, by its name. A name as it is written counts
/// before others, so that of two locks both can be named.
pub(super) fn choose(locks: &[(NukiId, String)], wanted: &str) -> anyhow::Result<NukiId> {
    let number = parse_nuki_id(wanted).ok().filter(|_| wanted.len() == 8);
    if let Some(number) = number.filter(|number| locks.iter().any(|(nuki_id, _)| nuki_id == number)) {
        return Ok(number);
    }
    let folded = wanted.to_lowercase();
    let of = |is_meant: &dyn Fn(&str) -> bool| -> BTreeSet<NukiId> {
        locks.iter().filter(|(_, name)| is_meant(name)).map(|(nuki_id, _)| *nuki_id).collect()
    };
    let exact = of(&|name| name == wanted);
    let found = if exact.is_empty() { of(&|name| name.to_lowercase() == folded) } else { exact };
    let listed = |ids: &BTreeSet<NukiId>| {
        let of_these = locks.iter().filter(|(nuki_id, _)| ids.contains(nuki_id));
        of_these.map(|(nuki_id, name)| format!("{} ({nuki_id:08X})", tame(name))).collect::<Vec<_>>().join(", ")
    };
    match (found.len(), found.first()) {
        (1, Some(nuki_id)) => Ok(*nuki_id),
        (0, _) if locks.is_empty() => bail!("no lock is paired; `keyturner pair` pairs one"),
        (0, _) => {
            bail!(
                "no lock {:?} is paired; `keyturner locks` lists those that are: {}",
                tame(wanted),
                listed(&of(&|_| true))
            )
        }
        _ => bail!("several are called so: {}; give the number of the one you mean", listed(&found)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_found_by_name_or_number_and_nothing_is_guessed() {
        let named = |locks: &[(NukiId, &str)]| -> Vec<(NukiId, String)> {
            locks.iter().map(|(id, name)| (*id, (*name).to_owned())).collect()
        };
        let house =
            named(&[(1, "Front"), (2, "Back"), (3, "BACK"), (4, "Side"), (5, "side"), (6, "\u{c4}rger\u{1b}[2J")]);
        let choose = |wanted: &str| choose(&house, wanted).map_err(|error| error.to_string());
        for (wanted, nuki_id) in [
            ("Front", 1),
            ("front", 1),
            ("FRONT", 1),
            ("00000002", 2),
            ("Back", 2),
            ("BACK", 3),
            ("\u{e4}rger\u{1b}[2j", 6),
        ] {
            assert_eq!(choose(wanted), Ok(nuki_id), "{wanted}");
        }
        let ambiguous = choose("back").unwrap_err();
        assert!(ambiguous.contains("Back (00000002), BACK (00000003)"), "{ambiguous}");
        for wanted in ["Fron", "", "1", "2", "00000009", "Front "] {
            let unknown = choose(wanted).unwrap_err();
            assert!(unknown.contains("Front (00000001)") && !unknown.contains('\u{1b}'), "{wanted}: {unknown}");
        }
        assert!(super::choose(&[], "Front").unwrap_err().to_string().contains("keyturner pair"));
    }
}
