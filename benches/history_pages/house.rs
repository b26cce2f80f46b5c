//! The log of a busy house, made by SQL: two doors, eight people, three codes, some guesses, a door sensor.

use std::path::PathBuf;

use keyturner::clock::UnixMillis;
use keyturner::store::{LockRow, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};
use tempfile::TempDir;

/// 2020-01-01T00:00:00Z.
pub(crate) const BEGIN: i64 = 1_577_836_800_000;
/// Pause between two events.
pub(crate) const STEP_MILLIS: i64 = 20_000;

/// `i` counts; `r` is scattered. Times run with the numbers, but not strictly, as with two locks and late log entries.
const FILL: &str = "
with recursive n (i) as (select 1 union all select i + 1 from n where i < {size}),
s as (select i, (i * 2654435761) % 4294967296 / 1024 as r from n)
insert into events (
    nuki_id, log_epoch, log_index, kind, at, observed_at, device_time, action, action_code, trigger, trigger_code,
    completion, completion_code, state_before, state_before_code, state_after, state_after_code,
    auth_id, auth_type, auth_type_code, auth_name, code_id, code_name, user_name, method, attribution,
    auto_unlock, presses, backfilled, raw, refused, zone_offset, clock_skew)
select
    1 + (r % 3 = 0), 0, i,
    case when r % 20 < 12 then 'lock_action' when r % 20 < 16 then 'keypad_action' else 'door' end,
    {begin} + i * {step} + r % 60000, {begin} + i * {step} + 61000, '2026-11-23T14:05:09',
    case when r % 20 < 16 then 'unlock' end, case when r % 20 < 16 then 1 end,
    case when r % 20 < 16 then 'system' end, case when r % 20 < 16 then 0 end,
    case when r % 20 = 15 then 'invalid_code' when r % 20 < 15 then 'success' end,
    case when r % 20 = 15 then 224 when r % 20 < 15 then 0 end,
    'locked', 1, 'unlocked', 3,
    case when r % 20 < 12 then 1 + r / 20 % 8 when r % 20 < 16 then 9 end,
    case when r % 20 < 12 then 'app' when r % 20 < 16 then 'keypad' end,
    case when r % 20 < 12 then 0 when r % 20 < 16 then 3 end,
    case when r % 20 < 12 then 'Person ' || (1 + r / 20 % 8) when r % 20 < 16 then 'Nuki Keypad' end,
    case when r % 20 in (12, 13, 14) then 1 + r / 20 % 3 end,
    case when r % 20 in (12, 13, 14) then 'Code ' || (1 + r / 20 % 3) end,
    case when r % 20 < 12 then 'Person ' || (1 + r / 20 % 8)
         when r % 20 in (12, 13, 14) then 'Code ' || (1 + r / 20 % 3) end,
    case when r % 20 < 12 then 'app' when r % 20 < 16 then 'code' else 'door_sensor' end,
    case when r % 20 < 15 then 'matched' else 'nobody' end,
    0, 0, 0, zeroblob(40), r % 20 = 15, 60, r % 1000
from s";

pub(crate) struct House {
    pub(crate) path: PathBuf,
    _dir: TempDir,
}

impl House {
    pub(crate) async fn build(size: i64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyturner.db");
        let store = Store::open(&path).await.unwrap();
        for nuki_id in [1, 2] {
            let lock = LockRow {
                nuki_id,
                name: format!("Door {nuki_id}"),
                device_type: 4,
                firmware_version: None,
                has_keypad: true,
                paired_at: UnixMillis(BEGIN),
            };
            store.register_lock(&lock).await.unwrap();
        }
        store.close().await;
        let mut owner = SqliteConnectOptions::new()
            .filename(&path)
            .pragma("synchronous", "off")
            .pragma("cache_size", "-400000")
            .connect()
            .await
            .unwrap();
        fill(&mut owner, size).await;
        owner.close().await.unwrap();
        Self { path, _dir: dir }
    }

    pub(crate) fn megabytes(&self) -> u64 {
        std::fs::metadata(&self.path).unwrap().len() / 1_000_000
    }
}

/// Indexes are built once at the end, and triggers look at single rows: both would take hours here.
async fn fill(owner: &mut SqliteConnection, size: i64) {
    let later: Vec<(String, String, String)> = sqlx::query_as(
        "select type, name, sql from sqlite_schema
         where tbl_name = 'events' and type in ('index', 'trigger') and sql is not null",
    )
    .fetch_all(&mut *owner)
    .await
    .unwrap();
    for (kind, name, _) in &later {
        run(owner, format!("drop {kind} {name}")).await;
    }
    let values = [("{size}", size), ("{begin}", BEGIN), ("{step}", STEP_MILLIS)];
    run(owner, values.iter().fold(FILL.to_owned(), |sql, (name, value)| sql.replace(name, &value.to_string()))).await;
    for (_, _, sql) in later {
        run(owner, sql).await;
    }
    run(owner, "pragma wal_checkpoint(truncate)".to_owned()).await;
}

async fn run(owner: &mut SqliteConnection, sql: String) {
    sqlx::query(AssertSqlSafe(sql)).execute(owner).await.unwrap();
}
