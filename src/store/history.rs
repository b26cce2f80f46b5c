//! Reading the log: newest first, in pages, late answers joined in.

use std::collections::BTreeSet;

use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;
use crate::protocol::frame::AuthId;
use crate::protocol::log::CodeId;

use super::history_row::{HistoryRow, RawRow};
use super::statement::{Question, Statement};
use super::{Store, StoreError};

/// No page is longer, whatever the filter says.
pub const MAX_PAGE: u32 = 1000;

/// Which events to give; everything that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Of this lock.
    pub nuki_id: Option<NukiId>,
    /// Of one of these locks; `None` for every lock.
    pub locks: Option<BTreeSet<NukiId>>,
    /// Of this authorization.
    pub auth_id: Option<AuthId>,
    /// Of this keypad code.
    pub code_id: Option<CodeId>,
    /// Of whoever had exactly this name then.
    pub user_name: Option<String>,
    /// With this action's code.
    pub action: Option<u8>,
    /// Not before, by the event's own time.
    pub from: Option<UnixMillis>,
    /// Before, by the event's own time.
    pub to: Option<UnixMillis>,
    /// Of one of these kinds, by [`EventKind::name`](crate::attribution::EventKind::name); empty for all.
    pub kinds: Vec<String>,
    /// Done this way, by [`Method::name`](crate::attribution::Method::name).
    pub method: Option<String>,
    /// Known so surely, by [`Attribution::name`](crate::attribution::Attribution::name).
    pub attribution: Option<String>,
    /// Only what did not succeed, or only what was not refused.
    pub refused: Option<bool>,
    /// In which order.
    pub order: Order,
    /// What comes after this one: the [`next`](HistoryPage::next) of the page before.
    pub after: Option<PageKey>,
    /// At most so many, up to [`MAX_PAGE`].
    pub limit: u32,
}

impl Default for HistoryFilter {
    fn default() -> Self {
        Self {
            nuki_id: None,
            locks: None,
            auth_id: None,
            code_id: None,
            user_name: None,
            action: None,
            from: None,
            to: None,
            kinds: Vec::new(),
            method: None,
            attribution: None,
            refused: None,
            order: Order::Number,
            after: None,
            limit: 50,
        }
    }
}

/// The order of pages; both are newest first and both are total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By the events' numbers: as the gateway learned of them.
    Number,
    /// By the events' own times, then by number: a range of time is then one stretch of an index.
    Time,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageKey {
    /// Time of its last event.
    pub at: UnixMillis,
    /// Number of its last event.
    pub id: i64,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// The events, newest first.
    pub rows: Vec<HistoryRow>,
    /// Where the next page begins; `None` if there is nothing more.
    pub next: Option<PageKey>,
}

impl Store {
    /// What happened, newest first, and where to go on.
    ///
    /// Rows that are added between two pages move nothing: a page begins after
    /// an event, not at a count of events. A late answer has number and time of
    /// its question, so it never shows twice.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn page(&self, filter: &HistoryFilter) -> Result<HistoryPage, StoreError> {
        let limit = filter.limit.min(MAX_PAGE);
        // One more tells whether there is a next page.
        let rows = self.pages.rows(page_query(filter, limit + 1), RawRow::read).await?;
        let mut rows = rows.into_iter().map(RawRow::row).collect::<Result<Vec<_>, _>>()?;
        let asked = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > asked;
        rows.truncate(asked);
        let next = rows.last().filter(|_| more).map(|last| PageKey { at: last.at, id: last.id });
        Ok(HistoryPage { rows, next })
    }

    /// The rows of one [`page`](Self::page).
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn history(&self, filter: &HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        Ok(self.page(filter).await?.rows)
    }

    /// The event with this number, or the one that the row with this number answers.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn entry(&self, id: i64) -> Result<Option<HistoryRow>, StoreError> {
        let _held = self.hold_time().await;
        let row: Option<RawRow> =
            sqlx::query_as("select * from entries where id = (select shown_as from events where id = ?)")
                .bind(id)
                .fetch_optional(&self.readers)
                .await?;
        row.map(RawRow::row).transpose()
    }
}

fn page_query(filter: &HistoryFilter, rows: u32) -> Question {
    let mut query = Question::new(format!("select {} from entries where true", RawRow::COLUMNS));
    push_filter(&mut query, filter, Lead::of(filter));
    if let Some(from) = filter.from {
        query.sql(" and at >= ").number(from.0);
    }
    if let Some(to) = filter.to {
        query.sql(" and at < ").number(to.0);
    }
    match (filter.order, filter.after) {
        (Order::Number, Some(key)) => {
            query.sql(" and id < ").number(key.id);
        }
        (Order::Time, Some(key)) => {
            query.sql(" and (at, id) < (").number(key.at.0).sql(", ").number(key.id).sql(")");
        }
        (_, None) => {}
    }
    query.sql(match filter.order {
        Order::Number => " order by id desc limit ",
        Order::Time => " order by at desc, id desc limit ",
    });
    query.number(i64::from(rows));
    query
}

/// The condition whose index a page is read along. SQLite has no statistics
/// here, so it is told: a plus sign keeps the other conditions from the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    Code,
    User,
    Refused,
    Lock,
    /// No condition: all events.
    Nothing,
}

impl Lead {
    /// The rarest first.
    fn of(filter: &HistoryFilter) -> Self {
        if filter.code_id.is_some() {
            Self::Code
        } else if filter.auth_id.is_some() {
            Self::User
        } else if filter.refused == Some(true) {
            Self::Refused
        } else if filter.nuki_id.is_some() {
            Self::Lock
        } else {
            Self::Nothing
        }
    }
}

/// Every condition but those on time and place in the order.
pub(super) fn push_filter(query: &mut impl Statement, filter: &HistoryFilter, lead: Lead) {
    let sign = |leads: Lead| if lead == leads { "" } else { "+" };
    if let Some(nuki_id) = filter.nuki_id {
        query.sql(format_args!(" and {}nuki_id = ", sign(Lead::Lock))).number(nuki_id.into());
    }
    if let Some(locks) = &filter.locks {
        push_locks(query, locks);
    }
    if let Some(auth_id) = filter.auth_id {
        query.sql(format_args!(" and {}auth_id = ", sign(Lead::User))).number(auth_id.into());
    }
    if let Some(code_id) = filter.code_id {
        query.sql(format_args!(" and {}code_id = ", sign(Lead::Code))).number(code_id.into());
    }
    if let Some(refused) = filter.refused {
        // Not bound: a partial index is only taken for a condition that is known beforehand.
        query.sql(format_args!(" and {}refused = {}", sign(Lead::Refused), u8::from(refused)));
    }
    if let Some(name) = &filter.user_name {
        query.sql(" and user_name = ").text(name);
    }
    if let Some(action) = filter.action {
        query.sql(" and action_code = ").number(action.into());
    }
    if let Some(method) = &filter.method {
        query.sql(" and method = ").text(method);
    }
    if let Some(attribution) = &filter.attribution {
        query.sql(" and attribution = ").text(attribution);
    }
    if !filter.kinds.is_empty() {
        query.sql(" and kind in ").texts(filter.kinds.iter().map(String::as_str));
    }
}

/// Only of these locks. Never the condition whose index is taken: the set may be every lock there is.
pub(super) fn push_locks(query: &mut impl Statement, locks: &BTreeSet<NukiId>) {
    query.sql(" and +nuki_id in ").numbers(locks.iter().copied().map(i64::from));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    async fn plan(store: &Store, filter: &HistoryFilter) -> Vec<String> {
        let Question { sql, values } = page_query(filter, 21);
        let explain = Question { sql: format!("explain query plan {sql}"), values };
        store.pages.rows(explain, |row| row.get("detail")).await.unwrap()
    }

    /// SQLite has to be told so: else it plans a page again for each value that is bound.
    #[tokio::test]
    async fn a_page_is_planned_once_for_all_its_readers() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("keyturner.db")).await.unwrap();
        let of = |auth_id| HistoryFilter { auth_id: Some(auth_id), ..HistoryFilter::default() };
        for auth_id in 1..9 {
            store.page(&of(auth_id)).await.unwrap();
        }
        let Question { sql, .. } = page_query(&of(1), HistoryFilter::default().limit + 1);
        let planned = store.pages.read(move |connection| {
            let statement = connection.prepare_cached(&sql)?;
            Ok((statement.get_status(StatementStatus::Run), statement.get_status(StatementStatus::RePrepare)))
        });
        assert_eq!(planned.await.unwrap(), (8, 0), "runs, plans made again");
    }

    /// However long the log grows, no page may walk through it or sort it.
    #[tokio::test]
    async fn pages_are_read_along_an_index() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("keyturner.db")).await.unwrap();
        let any = HistoryFilter::default;
        let key = Some(PageKey { at: UnixMillis(5), id: 5 });
        let (from, to) = (Some(UnixMillis(1)), Some(UnixMillis(9)));
        let filters = [
            (any(), "events_shown_as", "events_by_time"),
            (HistoryFilter { nuki_id: Some(1), ..any() }, "events_by_lock", "events_by_lock_and_time"),
            (HistoryFilter { auth_id: Some(1), ..any() }, "events_by_user", "events_by_user_and_time"),
            (
                HistoryFilter { auth_id: Some(1), nuki_id: Some(1), refused: Some(true), ..any() },
                "events_by_user",
                "events_by_user_and_time",
            ),
            (HistoryFilter { code_id: Some(1), ..any() }, "events_by_code", "events_by_code_and_time"),
            (
                HistoryFilter { code_id: Some(1), nuki_id: Some(1), ..any() },
                "events_by_code",
                "events_by_code_and_time",
            ),
            (HistoryFilter { refused: Some(true), ..any() }, "events_refused", "events_refused_by_time"),
            (
                HistoryFilter { refused: Some(true), nuki_id: Some(1), action: Some(1), ..any() },
                "events_refused",
                "events_refused_by_time",
            ),
            (
                HistoryFilter {
                    refused: Some(false),
                    kinds: vec!["door".to_owned()],
                    method: Some("app".to_owned()),
                    user_name: Some("Anna".to_owned()),
                    ..any()
                },
                "events_shown_as",
                "events_by_time",
            ),
        ];
        for (filter, by_number, by_time) in filters {
            let time = HistoryFilter { order: Order::Time, ..filter.clone() };
            for (filter, index) in [
                (filter.clone(), by_number),
                (HistoryFilter { after: key, ..filter }, by_number),
                (time.clone(), by_time),
                (HistoryFilter { from, ..time.clone() }, by_time),
                (HistoryFilter { from, to, ..time.clone() }, by_time),
                (HistoryFilter { from, to, after: key, ..time }, by_time),
            ] {
                let plan = plan(&store, &filter).await;
                let first = plan.first().unwrap();
                let reads = first.split(' ').skip_while(|word| *word != "INDEX").nth(1);
                assert_eq!(reads, Some(index), "{filter:?}\n{plan:#?}");
                assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{filter:?}\n{plan:#?}");
                let bounded = filter.after.is_some() || filter.from.is_some();
                assert!(!bounded || first.contains('<') || first.contains('>'), "{filter:?}\n{plan:#?}");
            }
        }
    }
}
