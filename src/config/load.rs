//! The configuration put together: defaults, then the file, then the environment.
//!
//! Each thing that is wrong is taken out once it is noted, and the rest is
//! read again: so its owner hears of all of them at once.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Faults, Spot};
use super::keys::{self, Kind};
use super::{Config, ConfigError};

/// Where the package puts the configuration; it may be missing.
pub const DEFAULT_FILE: &str = "/etc/keyturner/keyturner.toml";
/// What every variable of ours begins with.
const PREFIX: &str = "KEYTURNER_";
/// Those that are no key of the configuration: which file it is, and how much is logged.
const OTHERS: [&str; 2] = ["KEYTURNER_CONFIG", "KEYTURNER_LOG"];

/// What a configuration is put together from.
#[derive(Debug, Clone)]
pub struct Sources {
    path: PathBuf,
    may_be_missing: bool,
    variables: Vec<(String, String)>,
}

impl Sources {
    /// The file that was named, else the package's if it is there, and the environment of this process.
    #[must_use]
    pub fn of_process(named: Option<&Path>) -> Self {
        Self::new(named, std::env::vars_os())
    }

    /// The same with another environment.
    pub fn new(named: Option<&Path>, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let ours = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
            // What is no Unicode becomes a value that nothing can be, and is refused under its variable's name.
            Some((name, value.to_string_lossy().into_owned()))
        };
        // An empty variable is how many tools write "not set".
        let mut variables: Vec<_> = environment.into_iter().filter_map(ours).filter(|(_, v)| !v.is_empty()).collect();
        variables.sort();
        Self {
            path: named.unwrap_or_else(|| Path::new(DEFAULT_FILE)).to_owned(),
            may_be_missing: named.is_none(),
            variables,
        }
    }

    /// Reads it all.
    ///
    /// # Errors
    /// [`ConfigError`] says everything that is wrong, where, and what was probably meant.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let (file, text) = match std::fs::read_to_string(&self.path) {
            Ok(text) => (Some(self.path.clone()), text),
            Err(error) if error.kind() == ErrorKind::NotFound && self.may_be_missing => (None, String::new()),
            Err(source) => return Err(ConfigError::Unreadable { path: self.path.clone(), source }),
        };
        self.read(file, &text)
    }

    /// Puts it together, once the file is read.
    pub(super) fn read(&self, file: Option<PathBuf>, text: &str) -> Result<Loaded, ConfigError> {
        let mut reading = Reading { path: &self.path, text, variables: Vec::new(), faults: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            reading.note(error);
        }
        let span = table.span();
        let mut table = table.into_inner();
        reading.drop_unknown(&mut table, &[]);
        let ignored = reading.lay_over(&mut table, &self.variables);
        let (config, table) = reading.read(table, span);
        let Reading { mut faults, variables, .. } = reading;
        match config {
            Some(config) if faults.is_empty() => {
                let set = settings(&table, &self.path, text, &variables);
                Ok(Loaded { config, file, set, ignored })
            }
            _ => {
                faults.sort_by_key(Fault::order);
                Err(ConfigError::Invalid(Faults(faults)))
            }
        }
    }
}

/// A configuration, and where it comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What counts.
    pub config: Config,
    /// The file that was read, if there is one.
    pub file: Option<PathBuf>,
    /// What does not have its default value by being left out.
    pub set: Vec<Setting>,
    /// What is said of variables that mean nothing here.
    pub ignored: Vec<String>,
}

/// A key that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its full name, such as `bridge.allow`.
    pub key: String,
    /// As it is written in TOML.
    pub value: String,
    /// Which line or variable sets it.
    pub origin: String,
}

/// A variable that was laid over the file, with a stretch of bytes behind the file's end that stands for it.
struct Variable {
    name: String,
    stretch: Range<usize>,
}

struct Reading<'t> {
    path: &'t Path,
    text: &'t str,
    variables: Vec<Variable>,
    faults: Vec<Fault>,
}

impl<'t> Reading<'t> {
    fn spot(&self, span: &Range<usize>) -> Spot {
        Spot::find(self.path, self.text, span)
    }

    fn note(&mut self, error: &toml::de::Error) {
        let span = error.span().unwrap_or_default();
        // TOML's own messages have several lines, each of which adds something.
        let what = error.message().trim().replace('\n', ", ");
        let fault = match variable_at(&self.variables, &span) {
            Some(variable) => Fault::in_variable(&variable.name, what),
            None => Fault::in_file(self.spot(&span), what),
        };
        self.faults.push(fault);
    }

    /// Takes out keys that do not exist, and notes them.
    fn drop_unknown(&mut self, table: &mut DeTable<'t>, above: &[&str]) {
        let mut unknown = Vec::new();
        for (key, value) in table.iter_mut() {
            let path = [above, &[key.get_ref().as_ref()]].concat();
            match (keys::kind(&path), value.get_mut()) {
                (Kind::Unknown(siblings), _) => unknown.push((key.clone(), meant(&path, siblings))),
                (Kind::Table(_), DeValue::Table(table)) => self.drop_unknown(table, &path),
                _ => {}
            }
        }
        for (key, meant) in unknown {
            let name = key.get_ref();
            self.faults.push(Fault::in_file(self.spot(&key.span()), format!("there is no key `{name}` here; {meant}")));
            table.remove(name.as_ref());
        }
    }

    /// Puts variables into their places. Says what is said of those that have none.
    fn lay_over(&mut self, table: &mut DeTable<'t>, variables: &'t [(String, String)]) -> Vec<String> {
        let mut ignored = Vec::new();
        let mut end = self.text.len() + 1;
        for (name, value) in variables {
            if OTHERS.contains(&name.as_str()) {
                continue;
            }
            let key = name.trim_start_matches(PREFIX).to_lowercase();
            let path: Vec<&str> = key.split("__").collect();
            match keys::kind(&path) {
                Kind::Value => {}
                Kind::Table(_) | Kind::Map => {
                    ignored.push(format!("{name} is ignored: it names a table; a key of it is {name}__KEY"));
                    continue;
                }
                Kind::Unknown(_) => {
                    let hint =
                        meant_variable(name).map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
                    ignored.push(format!("{name} is ignored: it means nothing here{hint}"));
                    continue;
                }
            }
            let stretch = end..end + value.len();
            end = stretch.end + 1;
            put(table, &path, written(value, &stretch));
            self.variables.push(Variable { name: name.clone(), stretch });
        }
        ignored
    }

    /// The configuration, unless too much is wrong for one, and what is left of the table.
    fn read(&mut self, mut table: DeTable<'t>, span: Range<usize>) -> (Option<Config>, DeTable<'t>) {
        loop {
            let whole = Spanned::new(span.clone(), table.clone());
            match Config::deserialize(toml::de::Deserializer::from(whole)) {
                Ok(config) => return (Some(config), table),
                Err(error) => {
                    self.note(&error);
                    if !error.span().is_some_and(|span| take_out(&mut table, &span)) {
                        return (None, table);
                    }
                }
            }
        }
    }
}

fn variable_at<'v>(variables: &'v [Variable], span: &Range<usize>) -> Option<&'v Variable> {
    variables.iter().find(|variable| variable.stretch.start <= span.start && span.start < variable.stretch.end)
}

/// The variable for a key: `bridge.lock_state_max_age` is `KEYTURNER_BRIDGE__LOCK_STATE_MAX_AGE`.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// The variable that was probably meant.
fn meant_variable(name: &str) -> Option<String> {
    let known: Vec<String> = keys::values().iter().map(|key| variable(key)).chain(OTHERS.map(str::to_owned)).collect();
    // What all begin with makes nothing alike.
    let own = name.strip_prefix(PREFIX)?;
    let in_a_table = known.iter().find(|known| known.ends_with(&format!("__{own}"))).cloned();
    let tails = known.iter().filter_map(|known| known.strip_prefix(PREFIX));
    in_a_table.or_else(|| keys::nearest(own, tails).map(|meant| format!("{PREFIX}{meant}")))
}

/// What was probably meant by a key that does not exist.
fn meant(path: &[&str], siblings: &[&str]) -> String {
    let name = path.last().copied().unwrap_or_default();
    let same_name = |full: &&String| full.rsplit('.').next() == Some(name);
    let values = keys::values();
    if let Some(elsewhere) = values.iter().find(same_name) {
        // The usual mistake with TOML: a key behind the header of a table belongs to that table.
        return match elsewhere.rsplit_once('.') {
            None => format!("`{name}` belongs above the first [table]"),
            Some((table, _)) => format!("`{name}` belongs into [{table}]"),
        };
    }
    match keys::nearest(name, siblings.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if siblings.is_empty() => "nothing can be set here".to_owned(),
        None => format!("there are `{}`", siblings.join("`, `")),
    }
}

/// A variable's text: a value of TOML if it is one, else the words as they stand.
fn written<'v>(text: &'v str, stretch: &Range<usize>) -> Spanned<DeValue<'v>> {
    let value = DeValue::parse(text).map_or_else(|_| DeValue::String(text.into()), Spanned::into_inner);
    at(value, stretch)
}

/// The value with everything in it in this place.
fn at<'v>(value: DeValue<'v>, stretch: &Range<usize>) -> Spanned<DeValue<'v>> {
    let value = match value {
        DeValue::Array(items) => {
            let mut moved = toml::de::DeArray::new();
            items.iter().for_each(|item| moved.push(at(item.get_ref().clone(), stretch)));
            DeValue::Array(moved)
        }
        value => value,
    };
    Spanned::new(stretch.clone(), value)
}

/// Sets a key, with the tables around it.
fn put<'v>(table: &mut DeTable<'v>, path: &[&str], value: Spanned<DeValue<'v>>) {
    let Some((key, rest)) = path.split_first() else { return };
    let named = || Spanned::new(value.span(), (*key).to_owned().into());
    if rest.is_empty() {
        table.insert(named(), value);
        return;
    }
    let inner = table.entry(named()).or_insert_with(|| Spanned::new(value.span(), DeValue::Table(DeTable::new())));
    // Anything else in a table's place is a fault of the file and noted as such.
    if let DeValue::Table(inner) = inner.get_mut() {
        put(inner, rest, value);
    }
}

/// Takes out the smallest thing that holds this place. Says whether there was one.
fn take_out(table: &mut DeTable<'_>, place: &Range<usize>) -> bool {
    let holds = |span: Range<usize>| span.start <= place.start && place.end <= span.end;
    for value in table.iter_mut().map(|(_, value)| value.get_mut()) {
        if let DeValue::Table(inner) = value
            && take_out(inner, place)
        {
            return true;
        }
    }
    let found = table.iter().find(|(key, value)| holds(value.span()) || holds(key.span()));
    let Some(key) = found.map(|(key, _)| key.get_ref().clone()) else { return false };
    table.remove(key.as_ref()).is_some()
}

/// What a table sets, key by key.
fn settings(table: &DeTable<'_>, path: &Path, text: &str, variables: &[Variable]) -> Vec<Setting> {
    let mut found = Vec::new();
    let mut open: Vec<(String, &DeTable<'_>)> = vec![(String::new(), table)];
    while let Some((above, table)) = open.pop() {
        for (key, value) in table {
            let key = format!("{above}{}", key.get_ref());
            let origin = variable_at(variables, &value.span()).map_or_else(
                || format!("{}:{}", path.display(), Spot::find(path, text, &value.span()).line),
                |variable| variable.name.clone(),
            );
            match value.get_ref() {
                DeValue::Table(inner) => open.push((format!("{key}."), inner)),
                value => found.push(Setting { key, value: in_toml(value), origin }),
            }
        }
    }
    found.sort_by(|one, other| one.key.cmp(&other.key));
    found
}

/// A value on one line.
fn in_toml(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => toml::Value::String(text.clone().into_owned()).to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| in_toml(item.get_ref())).collect();
            format!("[{}]", items.join(", "))
        }
        // Only within lists, where none of our keys has one.
        DeValue::Table(_) => "{ … }".to_owned(),
    }
}

/// What every key has that is set nowhere, from the example, which says the defaults.
///
/// # Errors
/// [`ConfigError`], if the example is not right; a test holds that it is.
pub fn defaults() -> Result<Vec<Setting>, ConfigError> {
    let text = include_str!("../../examples/keyturner.toml");
    let path = Path::new("examples/keyturner.toml");
    let table = DeTable::parse(text).map_err(|error| {
        let spot = Spot::find(path, text, &error.span().unwrap_or_default());
        ConfigError::Invalid(Faults(vec![Fault::in_file(spot, error.message())]))
    })?;
    let mut set = settings(table.get_ref(), path, text, &[]);
    set.iter_mut().for_each(|setting| "default".clone_into(&mut setting.origin));
    Ok(set)
}
