//! What is stored and told, against what truly happened: one checker per guarantee.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use keyturner::protocol::log::{LogEntryKind, Ring};
use keyturner::protocol::{CompletionStatus, LockAction, LockState, OpenerAction, OpenerState};
use keyturner::store::verify;
use rusqlite::types::Value as Sql;

use super::clients::executions;
use super::door::{Door, column, open};
use super::front::{BRIDGE, secrets};
use super::life::{Calm, Life};
use super::receivers::{Receivers, Taken};

/// Beacon, link, log, commit and POST, with as much again to spare.
pub(crate) const TOLD_WITHIN: Duration = Duration::from_secs(8);

/// Behind what could not be read at once, entries can be missing or their times contradict each other; then the gateway waits
/// for what may still be logged, twice over.
const TOLD_BEHIND_OTHERS: Duration = Duration::from_secs(30);

/// So many entries can wait behind a change that nobody can explain in the end.
const HELD_BACK: usize = 3;

/// While lock 'n' go may still be logged, nobody is named: it waits, locks, and is looked at.
const TOLD_AFTER_LOCK_N_GO: Duration = Duration::from_secs(60);

/// What was found in a life, or in many.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    /// Guarantees that did not hold; in a life without faults, none.
    pub(crate) violations: Vec<String>,
    pub(crate) door_days: u64,
    pub(crate) boots: u64,
    pub(crate) deeds: u64,
    pub(crate) entries: u64,
    /// Entries that no gateway could have read.
    pub(crate) excused: u64,
    pub(crate) named: u64,
    pub(crate) nobody: u64,
    pub(crate) unknown: u64,
    /// Entries of somebody, without the name.
    pub(crate) unnamed: u64,
    pub(crate) requests: u64,
    /// Tries of those who may not.
    pub(crate) strangers: u64,
    /// Intents of credentials that count once.
    pub(crate) once: u64,
    pub(crate) executions: u64,
    pub(crate) told: u64,
    pub(crate) called: u64,
    /// Told at once, where nothing was wrong.
    pub(crate) prompt: u64,
    /// The latest of those.
    pub(crate) latest: Duration,
    /// A digest of everything that is stored.
    pub(crate) digest: u64,
}

impl Findings {
    pub(crate) fn add(&mut self, other: &Self) {
        self.violations.extend(other.violations.iter().cloned());
        let Self { door_days, boots, deeds, entries, excused, named, nobody, unknown, unnamed, .. } = other;
        self.door_days += door_days;
        self.boots += boots;
        self.deeds += deeds;
        self.entries += entries;
        self.excused += excused;
        self.named += named;
        self.nobody += nobody;
        self.unknown += unknown;
        self.unnamed += unnamed;
        self.requests += other.requests;
        self.strangers += other.strangers;
        self.once += other.once;
        self.executions += other.executions;
        self.told += other.told;
        self.called += other.called;
        self.prompt += other.prompt;
        self.latest = self.latest.max(other.latest);
    }

    fn broken(&mut self, guarantee: &str, what: impl Into<String>) {
        self.violations.push(format!("{guarantee}: {}", what.into()));
    }

    /// Told is a subset of stored, over every end of a machine: what a receiver took is there at the next start.
    pub(crate) fn compare_remains(&mut self, before: &Path, after: &Path, receivers: &Receivers) {
        let (before, after) = (links(before), links(after));
        for (host, taken) in &receivers.taken {
            for one in taken {
                let id = one.sequence();
                match (before.get(&id), after.get(&id)) {
                    (Some(was), Some(is)) if was == is => {}
                    (was, is) => {
                        self.broken(
                            "G2",
                            format!("{host} was told event {id}, which was {was:?} and is {is:?} after the end"),
                        );
                    }
                }
            }
        }
    }
}

/// The hash of each event.
fn links(database: &Path) -> BTreeMap<i64, Vec<u8>> {
    let connection = open(database);
    let mut statement = connection.prepare("select id, hash from chain").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// A row of `events`.
struct Row {
    id: i64,
    nuki_id: u32,
    log_index: Option<u32>,
    kind: String,
    raw: Vec<u8>,
    auth_id: Option<u32>,
    code_id: Option<u16>,
    user_name: Option<String>,
    attribution: String,
    state_after: Option<u8>,
}

fn rows(database: &Path) -> Vec<Row> {
    let connection = open(database);
    let mut statement = connection
        .prepare(
            "select id, nuki_id, log_index, kind, raw, auth_id, code_id, user_name, attribution,
                 state_after_code
             from events order by id",
        )
        .unwrap();
    let rows = statement
        .query_map([], |row| {
            Ok(Row {
                id: row.get(0)?,
                nuki_id: row.get(1)?,
                log_index: row.get(2)?,
                kind: row.get(3)?,
                raw: row.get(4)?,
                auth_id: row.get(5)?,
                code_id: row.get(6)?,
                user_name: row.get(7)?,
                attribution: row.get(8)?,
                state_after: row.get(9)?,
            })
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// Looks at a life that is over.
pub(crate) async fn check(life: &mut Life) {
    let mut findings = std::mem::take(&mut life.findings);
    findings.door_days = life.plan.days * life.doors.len() as u64;
    findings.boots = u64::from(life.boots);
    let rows = rows(&life.database);
    for (number, door) in life.doors.iter().enumerate() {
        findings.deeds += door.deeds.len() as u64;
        findings.violations.extend(door.check_lock());
        entries(&mut findings, number, door, &rows);
        people(&mut findings, number, door, &rows, &life.slow);
    }
    actions(&mut findings, life);
    strangers(&mut findings, life);
    told(&mut findings, life, &rows);
    delays(&mut findings, life, &rows);
    for silent in life.silent.lock().unwrap().iter() {
        findings.broken("G10", format!("systemd would have ended the gateway: {silent} hung"));
    }
    // G9
    let report = verify(&life.database, &[], |_, _| {}).await.unwrap();
    if !report.is_intact() {
        findings.broken("G9", format!("the chain is broken: {:?}", report.faults));
    }
    findings.digest = digest(&life.database);
    life.findings = findings;
}

/// G2, G3: every entry is stored once, in the lock's order, as the lock wrote it.
fn entries(findings: &mut Findings, number: usize, door: &Door, rows: &[Row]) {
    let is_entry = |row: &&Row| {
        row.nuki_id == door.door.nuki_id()
            && row.log_index.is_some()
            && !matches!(row.kind.as_str(), "gap" | "reset" | "state_change" | "intent_failed")
    };
    let mut stored = rows.iter().filter(is_entry).peekable();
    for entry in &door.entries {
        if stored.peek().is_some_and(|row| row.raw == entry.raw) {
            stored.next();
            findings.entries += 1;
        } else if entry.excuse.is_some() {
            findings.excused += 1;
        } else {
            let index = entry.entry.index;
            let there = rows.iter().filter(is_entry).find(|row| row.raw == entry.raw).map(|row| row.id);
            let what = format!(
                "door {number}: entry {index} {:?} written {:?} is not in its place; it is event {there:?}, the next one is {:?}",
                entry.entry.kind,
                entry.between,
                stored.peek().map(|row| (row.id, row.log_index))
            );
            findings.broken("G2", what);
            return;
        }
    }
    if let Some(row) = stored.next() {
        findings.broken("G3", format!("door {number}: event {} ({:?}) is no new entry", row.id, row.log_index));
    }
    // What was overwritten before anything was read, nobody knows of.
    let mut since_first = door.entries.iter().skip_while(|entry| entry.excuse.is_some());
    if since_first.any(|entry| entry.excuse == Some("overwritten before it was read"))
        && !rows.iter().any(|row| row.nuki_id == door.door.nuki_id() && matches!(row.kind.as_str(), "gap" | "reset"))
    {
        findings.broken("G2", format!("door {number}: entries are missing, and no row says so"));
    }
}

/// G5: whoever is named did it.
fn people(findings: &mut Findings, number: usize, door: &Door, rows: &[Row], slow: &[Range<Duration>]) {
    let mut by_raw: BTreeMap<&[u8], &super::door::Entry> = BTreeMap::new();
    for entry in &door.entries {
        by_raw.insert(&entry.raw, entry);
    }
    for row in rows.iter().filter(|row| row.nuki_id == door.door.nuki_id()) {
        match row.attribution.as_str() {
            "matched" => findings.named += 1,
            "nobody" => findings.nobody += 1,
            _ => findings.unknown += 1,
        }
        let says_somebody = row.auth_id.is_some() || row.code_id.is_some() || row.user_name.is_some();
        let Some(entry) = by_raw.get(row.raw.as_slice()).filter(|_| row.log_index.is_some()) else {
            // Of an intent that failed we know who was to do it: ourselves.
            if says_somebody && row.kind != "intent_failed" && row.auth_id != Some(door.own_auth_id) {
                findings.broken("G5", format!("door {number}: event {} names somebody without an entry", row.id));
            }
            continue;
        };
        let whose = Door::whose(&entry.entry).filter(|(auth_id, _)| *auth_id != 0);
        if let Some((auth_id, code_id)) = whose {
            let said = (row.auth_id, row.code_id.unwrap_or(0));
            if said != (Some(auth_id), code_id.unwrap_or(0)) {
                findings.broken("G5", format!("door {number}: event {} says {said:?} for {whose:?}", row.id));
            }
        } else if says_somebody {
            findings.broken("G5", format!("door {number}: event {} names somebody for {:?}", row.id, entry.entry));
        }
        if let (Some(whose), Some(name)) = (whose, &row.user_name) {
            let names = door.names(whose, entry);
            if !names.contains(&name.as_str()) && whose.0 != door.own_auth_id {
                findings.broken("G5", format!("door {number}: event {} says {name:?}, it was {names:?}", row.id));
            }
        } else if whose.is_some_and(|whose| whose.1 != Some(0)) && row.user_name.is_none() {
            findings.unnamed += 1;
            let whose = whose.unwrap();
            // Nobody waits for ever to hear that a name still counts.
            let was_slow = slow.iter().any(|slow| slow.start <= entry.between.1 && entry.between.0 <= slow.end);
            if !door.was_renamed(whose) && !door.is_forgetful && !was_slow && !entry.is_doubtful {
                findings.broken("G5", format!("door {number}: event {} does not name {whose:?}", row.id));
            }
        }
        if row.attribution == "matched"
            && let Some(state) = row.state_after
            && !(if door.is_opener { opener_leads_to } else { leads_to })(
                &entry.entry.kind,
                LockState::from_code(state),
            )
        {
            let what = format!("door {number}: event {}: {:?} does not lead to {state}", row.id, entry.entry.kind);
            findings.broken("G5", what);
        }
    }
}

/// Whether what was done can end in this state.
fn leads_to(kind: &LogEntryKind, state: LockState) -> bool {
    let (action, completion) = match kind {
        LogEntryKind::LockAction(logged) => (logged.action, logged.completion_status),
        LogEntryKind::Keypad(keypad) => (keypad.action, keypad.completion_status),
        _ => return false,
    };
    let may_end: &[LockState] = match (action, completion) {
        (_, CompletionStatus::MotorBlocked) => return true,
        (LockAction::Unlock, _) => {
            &[LockState::Unlocking, LockState::Unlocked, LockState::Unlatching, LockState::Unlatched]
        }
        (LockAction::Lock | LockAction::FullLock, _) => &[LockState::Locking, LockState::Locked],
        (LockAction::Unlatch, _) => {
            &[LockState::Unlocking, LockState::Unlatching, LockState::Unlatched, LockState::Unlocked]
        }
        _ => return true,
    };
    may_end.contains(&state)
}

/// Whether what was done at an Opener can end in this state.
fn opener_leads_to(kind: &LogEntryKind, state: LockState) -> bool {
    let (action, completion) = match kind {
        LogEntryKind::LockAction(logged) => (logged.action, logged.completion_status),
        LogEntryKind::Keypad(keypad) => (keypad.action, keypad.completion_status),
        LogEntryKind::Ring(ring) if ring.mode & (Ring::RING_TO_OPEN | Ring::CONTINUOUS) != 0 => {
            (OpenerAction::Open.command(), ring.completion_status)
        }
        // What nobody lets open opens nothing.
        _ => return false,
    };
    let state = OpenerState::from_code(state.code());
    match (OpenerAction::from_code(action.code()), completion) {
        (_, CompletionStatus::MotorBlocked) => true,
        (OpenerAction::ActivateRingToOpen, _) => state == OpenerState::RingToOpen,
        (OpenerAction::DeactivateRingToOpen, _) => state == OpenerState::Online,
        _ => true,
    }
}

/// G1, G8: each wish is carried out once at most, whatever was asked again; nothing moves that nobody asked for; no answer lies.
fn actions(findings: &mut Findings, life: &Life) {
    let requests = life.requests.lock().unwrap();
    for (number, request) in requests.iter().enumerate() {
        findings.requests += 1;
        let door = &life.doors[request.door];
        let count = |suffix: &str| door.door.inspect(|lock| lock.executions(door.app_id, suffix));
        let done = executions(&life.database, &format!("client {number}"), count);
        if done > 1 {
            findings.broken("G1", format!("what client {number} asked for was done {done} times: {request:?}"));
        }
        for (answer, done) in request.answers.iter().zip(&request.done) {
            if !answer.is_admitted() {
                findings.broken("G6", format!("client {number} was not let in: {answer:?}"));
            }
            let is_true = (!answer.is_done() || *done == 1) && (!answer.is_denial() || *done == 0);
            if !is_true {
                findings.broken("G1", format!("client {number} heard {answer:?}, it was done {done} times"));
            }
        }
    }
    for (number, door) in life.doors.iter().enumerate() {
        let sql = "select id from intents where nuki_id = ?";
        let ids: Vec<i64> = column(&life.database, sql, [door.door.nuki_id()]);
        let asked: u32 = ids
            .iter()
            .map(|id| {
                let suffix = keyturner::session::intent_suffix(*id);
                let count = door.door.inspect(|lock| lock.executions(door.app_id, &suffix));
                if count > 1 {
                    findings.broken("G1", format!("door {number}: intent {id} was carried out {count} times"));
                }
                count
            })
            .sum();
        let all = door.door.inspect(|lock| lock.executions_total());
        findings.executions += u64::from(all);
        if asked != all {
            findings.broken("G8", format!("door {number}: moved {all} times, asked for were {asked}"));
        }
    }
}

/// G6, G7: nobody does what their token does not allow, nothing that counts once counts twice, and no token is on the disk.
fn strangers(findings: &mut Findings, life: &Life) {
    for what in life.let_in.lock().unwrap().iter() {
        findings.broken("G6", what);
    }
    let overheard = life.overheard.lock().unwrap();
    for twice in overheard.iter().filter(|overheard| overheard.admitted > 1) {
        findings.broken("G6", format!("a credential was taken {} times: {}", twice.admitted, twice.path));
    }
    let requesters: Vec<String> = column(&life.database, "select requester from intents", []);
    let of_bridge = requesters.iter().filter(|requester| *requester == BRIDGE).count();
    findings.once += of_bridge as u64;
    if of_bridge > overheard.len() {
        findings.broken("G6", format!("{} credentials that count once made {of_bridge} intents", overheard.len()));
    }
    for other in requesters.iter().filter(|requester| *requester != BRIDGE && !requester.starts_with("client ")) {
        findings.broken("G6", format!("{other} had a lock do something"));
    }
    let file = std::fs::read(&life.database).unwrap();
    for secret in secrets() {
        if file.windows(secret.len()).any(|part| part == secret.as_bytes()) {
            findings.broken("G7", format!("{secret} stands in the database"));
        }
    }
}

/// G3, G4: every event is told, in order, and as new once.
fn told(findings: &mut Findings, life: &Life, rows: &[Row]) {
    let receivers = life.receivers.lock().unwrap();
    for host in ["good", "bad"] {
        let taken = receivers.taken.get(host).map_or(&[][..], Vec::as_slice);
        findings.told += taken.len() as u64;
        let mut keys: BTreeMap<i64, &Taken> = BTreeMap::new();
        let mut last = 0;
        for one in taken {
            let sequence = one.sequence();
            match keys.get(&sequence) {
                Some(first) if first.key != one.key => {
                    findings.broken("G3", format!("{host} was told event {sequence} twice as new"));
                }
                Some(first) if first.boot == one.boot && !first.is_denied => {
                    findings.broken("G3", format!("{host} said that it has event {sequence}, and was told it again"));
                }
                Some(_) => {}
                None => {
                    if sequence < last {
                        findings.broken("G4", format!("{host} was told event {sequence} after {last}"));
                    }
                    keys.insert(sequence, one);
                    last = last.max(sequence);
                }
            }
        }
        let unique: BTreeSet<&str> = keys.values().map(|taken| taken.key.as_str()).collect();
        if unique.len() != keys.len() {
            findings.broken("G3", format!("{host}: two events have one key"));
        }
        let stored: BTreeSet<i64> = rows.iter().map(|row| row.id).collect();
        // Whoever takes nothing for a day gets dead letters, which the owner sees and can send again.
        let dead: BTreeSet<i64> = match host {
            "bad" => {
                let sql = "select event_id from webhook_deliveries where state = 'dead'";
                column(&life.database, sql, []).into_iter().collect()
            }
            _ => BTreeSet::new(),
        };
        for missing in stored.iter().filter(|id| !keys.contains_key(id) && !dead.contains(id)).take(3) {
            findings.broken("G4", format!("{host} was never told event {missing}"));
        }
        for made_up in keys.keys().filter(|id| !stored.contains(id)).take(3) {
            findings.broken("G2", format!("{host} was told event {made_up}, which is not stored"));
        }
        calls(findings, life, host, receivers.called.get(host).map_or(&[][..], Vec::as_slice));
    }
}

/// Entries that were held back while it was open what had moved the bolt, and could not be told in the end: such as two acts within
/// one second of the lock's clock.
fn behind_open_questions(rows: &[Row]) -> BTreeSet<i64> {
    let mut since = BTreeMap::new();
    let is_behind = |row: &&Row| {
        let since = since.entry(row.nuki_id).or_insert(usize::MAX);
        *since = if row.attribution == "unknown" { 0 } else { since.saturating_add(1) };
        (1..=HELD_BACK).contains(since)
    };
    rows.iter().filter(is_behind).map(|row| row.id).collect()
}

/// G10: while nothing is wrong but another receiver, what happens is told at once.
fn delays(findings: &mut Findings, life: &Life, rows: &[Row]) {
    let receivers = life.receivers.lock().unwrap();
    let taken = receivers.taken.get("good").map_or(&[][..], Vec::as_slice);
    let ids: BTreeMap<&[u8], i64> =
        rows.iter().filter(|row| row.log_index.is_some()).map(|row| (row.raw.as_slice(), row.id)).collect();
    let held_back = behind_open_questions(rows);
    let mut first: BTreeMap<i64, Duration> = BTreeMap::new();
    for taken in taken {
        first.entry(taken.sequence()).or_insert(taken.at);
    }
    for (number, door) in life.doors.iter().enumerate().filter(|(_, door)| door.calls) {
        for entry in &door.entries {
            let id = ids.get(entry.raw.as_slice());
            let within = |calm: &Calm| match calm.is_behind || id.is_some_and(|id| held_back.contains(id)) {
                _ if door.is_near_lock_n_go(entry) => TOLD_AFTER_LOCK_N_GO,
                true => TOLD_BEHIND_OTHERS,
                false => TOLD_WITHIN,
            };
            let since = door.could_be_read(entry);
            let is_in = |calm: &&Calm| entry.between.0 >= calm.from && since + within(calm) <= calm.until;
            let Some(within) = life.calm.iter().find(is_in).map(within) else { continue };
            let told = id.and_then(|id| first.get(id));
            let late = told.map(|at| at.saturating_sub(since));
            match late {
                Some(late) if late <= within => {
                    findings.prompt += 1;
                    findings.latest = findings.latest.max(late);
                }
                late => findings.broken(
                    "G10",
                    format!(
                        "door {number}: entry {} of {:?} was told after {late:?}",
                        entry.entry.index, entry.between
                    ),
                ),
            }
        }
    }
}

/// Callbacks: nobody is named whom the log does not name.
fn calls(findings: &mut Findings, life: &Life, host: &str, called: &[Taken]) {
    findings.called += called.len() as u64;
    let mut heard = BTreeSet::new();
    for call in called {
        if call.body.get("eventId").is_some() && !heard.insert((call.boot, call.body.to_string())) {
            findings.broken("G3", format!("{host} was called twice in one run: {}", call.body));
        }
        let number = |name: &str| call.body[name].as_u64();
        let Some(door) = life.doors.iter().find(|door| number("nukiId") == Some(u64::from(door.door.nuki_id()))) else {
            findings.broken("G5", format!("{host}: a callback of no lock: {}", call.body));
            continue;
        };
        let Some(index) = number("eventId") else {
            if call.body.get("userName").is_some() && number("authId") != Some(u64::from(door.own_auth_id)) {
                findings.broken("G5", format!("{host}: a name without an entry: {}", call.body));
            }
            continue;
        };
        let mut entries = door.entries.iter().filter(|entry| u64::from(entry.entry.index) == index);
        let is_right = entries.any(|entry| {
            let whose = Door::whose(&entry.entry).unwrap_or((0, None));
            // Of an arrow key and of wrong digits only the keypad is known, which is nobody.
            let is_nobody = whose.1 == Some(0) && call.body.get("authId").is_none();
            let auth = number("authId").unwrap_or(if is_nobody { u64::from(whose.0) } else { 0 });
            let code = number("codeId").unwrap_or(0);
            let name = call.body["userName"].as_str();
            let is_named =
                name.is_none_or(|name| whose.0 == door.own_auth_id || door.names(whose, entry).contains(&name));
            auth == u64::from(whose.0) && code == u64::from(whose.1.unwrap_or(0)) && is_named
        });
        if !is_right {
            findings.broken("G5", format!("{host}: a callback says what no entry says: {}", call.body));
        }
    }
}

/// FNV-1a over every value of every event and intent.
fn digest(database: &Path) -> u64 {
    let connection = open(database);
    let mut hash: u64 = 0xCBF2_9CE4_8422_2325;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    };
    for table in ["events", "intents", "observations"] {
        let mut statement = connection.prepare(&format!("select * from {table} order by id")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                match row.get::<_, Sql>(column).unwrap() {
                    Sql::Null => eat(&[0]),
                    Sql::Integer(number) => eat(&number.to_le_bytes()),
                    Sql::Real(number) => eat(&number.to_le_bytes()),
                    Sql::Text(text) => eat(text.as_bytes()),
                    Sql::Blob(bytes) => eat(&bytes),
                }
            }
        }
    }
    hash
}
