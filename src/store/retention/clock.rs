//! Is it really so late? A host without a battery-backed clock may wake up in another century.

use std::fmt::{self, Display};
use std::time::Duration;

use sqlx::SqliteConnection;

use super::super::StoreError;
use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// So long the clock must have run.
const PROOF: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// A lock without a time zone is within a day.
const SKEW: i64 = 24 * 60 * 60 * 1000;

/// Why the host's clock is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockDoubt {
    /// Nothing was stored one to two weeks before now: the log is younger, the gateway was away, or the clock jumped.
    NoProof,
    /// A lock's clock is more than a day away.
    LockDisagrees {
        /// Which lock.
        nuki_id: NukiId,
        /// How far it was ahead, milliseconds.
        skew: i64,
    },
}

impl Display for ClockDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProof => f.write_str(
                "nothing was stored one to two weeks ago: the log is young, the gateway was away, or this machine's \
                 clock jumped. If the clock is right, it goes on within a week",
            ),
            Self::LockDisagrees { nuki_id, skew } => write!(
                f,
                "the clock of lock {nuki_id:08X} and that of this machine are {} hours apart; set the wrong one",
                skew.abs() / 3_600_000
            ),
        }
    }
}

/// Nothing is removed unless the log itself has lived for a week by the present clock, and no lock contradicts it.
pub(in crate::store) async fn doubt(
    connection: &mut SqliteConnection,
    now: UnixMillis,
) -> Result<Option<ClockDoubt>, StoreError> {
    let week_ago = now.before(PROOF);
    let lived: bool = sqlx::query_scalar(
        "select exists (select 1 from locks l join observations o on o.nuki_id = l.nuki_id
                        where o.observed_at between ?1 and ?2)
             or exists (select 1 from events where observed_at between ?1 and ?2)",
    )
    .bind(week_ago.before(7 * DAY).0)
    .bind(week_ago.0)
    .fetch_one(&mut *connection)
    .await?;
    if !lived {
        return Ok(Some(ClockDoubt::NoProof));
    }
    let skews: Vec<(NukiId, Option<i64>)> = sqlx::query_as(
        "select l.nuki_id, (select o.clock_skew from observations o where o.nuki_id = l.nuki_id order by o.id desc limit 1)
         from locks l order by l.nuki_id",
    )
    .fetch_all(connection)
    .await?;
    let wrong = skews.into_iter().find_map(|(nuki_id, skew)| {
        let skew = skew.filter(|skew| skew.abs() > SKEW)?;
        Some(ClockDoubt::LockDisagrees { nuki_id, skew })
    });
    Ok(wrong)
}
