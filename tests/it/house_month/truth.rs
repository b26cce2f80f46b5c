//! What people did, as the director saw it, beside what the event log says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, FromRow};

/// A row can be logged so many seconds after the deed began: when the motor has stopped.
pub(crate) const LOGGED_WITHIN: i64 = 20;

/// Something that happened at the door, written down by the director at that moment.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    /// The lock's clock, seconds.
    pub(crate) clock: i64,
    /// It must be logged before.
    pub(crate) until: i64,
    pub(crate) what: What,
    pub(crate) who: Whose,
    pub(crate) method: &'static str,
    /// Their number has borne two names, and nobody looked: which of them it was then, may not be known.
    pub(crate) is_doubtful: bool,
}

/// The part of a deed that is about nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct What {
    pub(crate) kind: &'static str,
    /// Of a door: opened or closed.
    pub(crate) kind_code: Option<u8>,
    pub(crate) action: Option<&'static str>,
    pub(crate) completion: Option<&'static str>,
}

/// Numbers and the name as of then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Whose {
    pub(crate) auth_id: Option<u32>,
    pub(crate) code_id: Option<u32>,
    pub(crate) name: Option<String>,
}

/// A row of the log.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Row {
    pub(crate) id: i64,
    kind: String,
    kind_code: Option<u8>,
    action: Option<String>,
    completion: Option<String>,
    auth_id: Option<u32>,
    code_id: Option<u32>,
    user_name: Option<String>,
    method: String,
    attribution: String,
    reason: Option<String>,
    refused: bool,
    intent_id: Option<i64>,
    device_seconds: Option<i64>,
    detail: Option<String>,
}

/// What is found for a deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    /// It is there, and the log says that it does not know who it was.
    Unknown,
    /// It is there, with another person, way or result.
    Wrong,
    Missing,
}

/// Deeds and rows, joined.
pub(crate) struct Comparison {
    pub(crate) found: Vec<(Deed, Verdict, Option<Row>)>,
    /// Rows that no deed stands behind.
    pub(crate) extra: Vec<Row>,
}

/// The log in the lock's own order: what was seen before the log was read, has an earlier number than its place there.
pub(crate) async fn read_log(path: &Path) -> Vec<Row> {
    let mut auditor = SqliteConnectOptions::new().filename(path).read_only(true).connect().await.unwrap();
    sqlx::query_as(
        "select id, kind, kind_code, action, completion, auth_id, code_id, user_name, method, attribution, reason, refused,
             intent_id, unixepoch(device_time) as device_seconds, detail
         from entries order by log_epoch, log_index, id",
    )
    .fetch_all(&mut auditor)
    .await
    .unwrap()
}

impl Row {
    fn text(&self) -> String {
        let words = [&self.reason, &self.detail].map(|word| word.as_deref().unwrap_or_default());
        format!("{self:?} {}", words.join(" "))
    }

    fn tells_of(&self, deed: &Deed) -> bool {
        let what = &deed.what;
        self.kind == what.kind
            && self.kind_code == what.kind_code
            && self.action.as_deref() == what.action
            && self.completion.as_deref() == what.completion
            && self.device_seconds.is_some_and(|seconds| (deed.clock - 1..=deed.until).contains(&seconds))
    }

    fn verdict(&self, deed: &Deed) -> Verdict {
        if matches!(self.attribution.as_str(), "unknown" | "pending") {
            return Verdict::Unknown;
        }
        let Whose { auth_id, code_id, name } = &deed.who;
        let numbers = (self.auth_id, self.code_id, self.method.as_str()) == (*auth_id, *code_id, deed.method);
        let is_refused = deed.what.completion.is_some_and(|completion| completion != "success");
        let is_ours = self.intent_id.is_some() == (deed.method == "bridge");
        if !numbers || self.refused != is_refused || !is_ours {
            return Verdict::Wrong;
        }
        let has_identity = name.is_some();
        match &self.user_name {
            None if has_identity => Verdict::Unknown,
            said if said == name && (self.attribution == "matched") == has_identity => Verdict::Right,
            _ => Verdict::Wrong,
        }
    }
}

/// Joins each deed with the first row of its moment and kind that no deed before it took.
pub(crate) fn compare(deeds: &[Deed], rows: Vec<Row>) -> Comparison {
    let mut taken = vec![false; rows.len()];
    let mut from = 0;
    let mut found = Vec::new();
    for deed in deeds {
        let at = (from..rows.len()).find(|at| !taken[*at] && rows[*at].tells_of(deed));
        let verdict = at.map_or(Verdict::Missing, |at| {
            taken[at] = true;
            rows[at].verdict(deed)
        });
        while taken.get(from) == Some(&true) {
            from += 1;
        }
        found.push((deed.clone(), verdict, at.map(|at| rows[at].clone())));
    }
    let extra = rows.into_iter().zip(taken).filter(|(_, taken)| !taken).map(|(row, _)| row).collect();
    Comparison { found, extra }
}

impl Deed {
    /// The line of the table that it counts in.
    fn source(&self) -> String {
        let what = match (self.what.kind, self.what.kind_code, self.what.action) {
            ("door", Some(0), _) => "door opened",
            ("door", ..) => "door closed",
            (_, _, Some(action)) => action,
            _ => "?",
        };
        let completion = self.what.completion.filter(|completion| *completion != "success").unwrap_or_default();
        format!("{:<12} {what} {completion}", self.method)
    }
}

impl Comparison {
    /// Deeds that are not told as they should be; of doubtful ones the name may be missing.
    pub(crate) fn failures(&self) -> usize {
        let is_well = |deed: &Deed, verdict| match verdict {
            Verdict::Right => true,
            Verdict::Unknown => deed.is_doubtful,
            Verdict::Wrong | Verdict::Missing => false,
        };
        self.found.iter().filter(|(deed, verdict, _)| !is_well(deed, *verdict)).count() + self.extra.len()
    }

    /// Rows that tell of something that is told already.
    pub(crate) fn is_double(&self, extra: &Row) -> bool {
        self.found.iter().any(|(deed, ..)| extra.tells_of(deed))
    }

    pub(crate) fn table(&self) -> String {
        let mut lines: BTreeMap<String, [usize; 5]> = BTreeMap::new();
        for (deed, verdict, row) in &self.found {
            let line = lines.entry(deed.source()).or_default();
            line[0] += 1;
            line[1] += usize::from(row.is_some());
            line[2] += usize::from(*verdict == Verdict::Right);
            line[3] += usize::from(*verdict == Verdict::Unknown);
            line[4] += usize::from(*verdict == Verdict::Wrong);
        }
        let double = self.extra.iter().filter(|row| self.is_double(row)).count();
        let mut text = format!(
            "{:<46} {:>8} {:>8} {:>8} {:>8} {:>8}\n",
            "source and deed", "happened", "logged", "right", "unknown", "wrong"
        );
        let mut sum = [0; 5];
        for (name, counts) in &lines {
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            text += &line_of(name, counts);
        }
        text += &line_of("all", &sum);
        writeln!(text, "double {double}, without a deed {}", self.extra.len() - double).unwrap();
        text
    }

    /// The first deeds beside their rows.
    pub(crate) fn sample(&self, lines: usize) -> String {
        let mut text = String::new();
        for (deed, verdict, row) in self.found.iter().take(lines) {
            let Deed { clock, who, .. } = deed;
            let source = deed.source();
            let time = jiff::Timestamp::from_second(*clock).unwrap().strftime("%m-%d %H:%M:%S");
            let name = who.name.as_deref().unwrap_or("nobody");
            let said = row.as_ref().map_or("nothing".to_owned(), |row| {
                let name = row.user_name.as_deref().unwrap_or("nobody");
                format!("{:>5} {name} {}", row.id, row.attribution)
            });
            writeln!(text, "{time}  {name:<16} {source:<46} | {said:<28} {verdict:?}").unwrap();
        }
        text
    }

    /// Everything that is not as it should be.
    pub(crate) fn faults(&self) -> String {
        let mut text = String::new();
        for (deed, verdict, row) in self.found.iter().filter(|(_, verdict, _)| *verdict != Verdict::Right) {
            let row = row.as_ref().map_or_else(|| "nothing".to_owned(), Row::text);
            writeln!(text, "{verdict:?}: {deed:?}\n    {row}").unwrap();
        }
        for row in &self.extra {
            writeln!(text, "without a deed: {}", row.text()).unwrap();
        }
        text
    }
}

fn line_of(name: &str, [happened, logged, right, unknown, wrong]: &[usize; 5]) -> String {
    format!("{name:<46} {happened:>8} {logged:>8} {right:>8} {unknown:>8} {wrong:>8}\n")
}

/// What would be the month's failure, has to be seen as one.
#[test]
fn a_comparison_sees_what_is_missing_wrong_unknown_and_double() {
    let whose = |name: &str| Whose { auth_id: Some(3), code_id: None, name: Some(name.to_owned()) };
    let what = What { kind: "lock_action", kind_code: None, action: Some("unlock"), completion: Some("success") };
    let deed = |clock| Deed {
        clock,
        until: clock + LOGGED_WITHIN,
        what: what.clone(),
        who: whose("Dora's phone"),
        method: "app",
        is_doubtful: false,
    };
    let row = |id, seconds| Row {
        id,
        kind: "lock_action".to_owned(),
        kind_code: None,
        action: Some("unlock".to_owned()),
        completion: Some("success".to_owned()),
        auth_id: Some(3),
        code_id: None,
        user_name: Some("Dora's phone".to_owned()),
        method: "app".to_owned(),
        attribution: "matched".to_owned(),
        reason: None,
        refused: false,
        intent_id: None,
        device_seconds: Some(seconds),
        detail: None,
    };
    let verdicts = |rows| {
        let comparison = compare(&[deed(1_000), deed(2_000)], rows);
        let double = comparison.extra.iter().filter(|row| comparison.is_double(row)).count();
        (comparison.found.iter().map(|(_, verdict, _)| *verdict).collect::<Vec<_>>(), double, comparison.extra.len())
    };
    use Verdict::{Missing, Right, Unknown, Wrong};
    assert_eq!(verdicts(vec![row(1, 1_002), row(2, 2_002)]), (vec![Right, Right], 0, 0));
    assert_eq!(verdicts(vec![row(1, 1_002)]), (vec![Right, Missing], 0, 0));
    assert_eq!(verdicts(vec![row(1, 1_002), row(2, 2_002), row(3, 2_003)]), (vec![Right, Right], 1, 1));
    assert_eq!(verdicts(vec![row(1, 1_002), row(2, 1_500), row(3, 2_002)]), (vec![Right, Right], 0, 1));
    let emil = Row { user_name: Some("Emil's phone".to_owned()), ..row(2, 2_002) };
    assert_eq!(verdicts(vec![row(1, 1_002), emil]), (vec![Right, Wrong], 0, 0));
    let other_number = Row { auth_id: Some(4), ..row(2, 2_002) };
    assert_eq!(verdicts(vec![row(1, 1_002), other_number]), (vec![Right, Wrong], 0, 0));
    let nameless = Row { user_name: None, ..row(2, 2_002) };
    assert_eq!(verdicts(vec![row(1, 1_002), nameless]), (vec![Right, Unknown], 0, 0));
    let unknown = Row { attribution: "unknown".to_owned(), ..row(1, 1_002) };
    assert_eq!(verdicts(vec![unknown, row(2, 2_002)]), (vec![Unknown, Right], 0, 0));
}
