//! Looking at a database without changing it, while a daemon may be writing.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use super::StoreError;
use super::open::{self, BUSY_TIMEOUT, Schema};

/// Rows that SQLite's thread may be ahead of ours.
const ROWS_AHEAD: usize = 512;

/// A connection that cannot write. Nothing is migrated, so the schema must be that of this program.
pub(super) async fn look(path: &Path) -> Result<SqliteConnection, StoreError> {
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(StoreError::NoDatabase { path: path.to_owned() }),
        // Whoever may not look into the folder is not told that there is nothing.
        Err(source) => return Err(StoreError::File { path: path.to_owned(), source }),
    }
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .row_buffer_size(ROWS_AHEAD)
        .connect()
        .await
        .map_err(|error| open::failed(path, error))?;
    let schema = open::known_schema(path, &mut connection).await?;
    let is_ours = schema == Schema::Version(open::newest_schema());
    // Bringing it up to date may have been interrupted before the older events had their links.
    if !is_ours || sqlx::query_scalar("select exists (select 1 from unchained)").fetch_one(&mut connection).await? {
        return Err(StoreError::Older { path: path.to_owned() });
    }
    Ok(connection)
}
