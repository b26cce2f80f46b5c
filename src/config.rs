//! The configuration: a TOML file, small, every key with a default, and the environment over it.

mod fault;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod keys;
mod load;
mod status;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::delivery::CallbackRules;
use crate::http::PlainTokens;
use crate::http::bridge::BridgeSettings;
use crate::store::RetentionRules;

pub use fault::{Fault, Faults};
pub use load::{DEFAULT_FILE, Loaded, Setting, Sources, defaults};
pub use status::{ConfigHealth, ConfigStatus};

/// What the owner may set. Unknown keys are refused, so that a typo is noticed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the HTTP API listens. Loopback unless the owner says otherwise.
    pub listen: SocketAddr,
    /// Where clients may send their tokens as they are.
    pub plain_tokens: PlainTokens,
    /// Names of this machine, beside those of the house, under which browsers may ask for it.
    #[serde(deserialize_with = "host_names")]
    pub hosts: Vec<String>,
    /// Where the HTTP API listens with TLS, beside `listen`.
    pub tls: Option<TlsConfig>,
    /// Bluetooth adapters, such as `hci0`, the preferred one first; the system's default adapter if none is named.
    #[serde(deserialize_with = "one_or_several")]
    pub adapter: Vec<String>,
    /// When an action is the repetition of another one.
    pub actions: ActionRules,
    /// What receivers of callbacks get.
    pub callbacks: CallbackRules,
    /// How long events and observations are kept.
    pub retention: RetentionRules,
    /// What clients of the Bridge API may expect.
    pub bridge: BridgeSettings,
}

/// The HTTP API over TLS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Where.
    pub listen: SocketAddr,
    /// File with the certificate and those that vouch for it, in PEM.
    pub certificate: PathBuf,
    /// File with its private key, in PEM.
    pub key: PathBuf,
}

/// How actions are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActionRules {
    /// For so long after its end, the same action asked for by the same client is its repetition. In seconds.
    #[serde(deserialize_with = "repeat_window")]
    pub repeat_window: Duration,
}

impl Default for ActionRules {
    /// Clients that lost an answer repeat within two seconds; people want a second time after more.
    fn default() -> Self {
        Self { repeat_window: Duration::from_secs(2) }
    }
}

/// Names that can stand in a `Host`, where nothing but the name is compared.
fn host_names<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let is_name = |name: &str| url::Host::parse(name).is_ok_and(|host| host.to_string().eq_ignore_ascii_case(name));
    match names.iter().find(|name| !is_name(name)) {
        Some(name) => Err(serde::de::Error::custom(format!(
            "`hosts` are names such as \"door.example.org\", without scheme, port and path, not \"{name}\""
        ))),
        None => Ok(names),
    }
}

/// A name, or a list of names; names with commas between them are a list too, since a variable cannot be asked for more.
fn one_or_several<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "`adapter` is a name such as \"hci0\", or a list of names")]
    enum Names {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Names::deserialize(deserializer)? {
        Names::One(names) => names.split(',').map(|name| name.trim().to_owned()).collect(),
        Names::Several(names) => names,
    })
}

/// Somebody who asks again after half a minute means it.
fn repeat_window<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    match u64::deserialize(deserializer)? {
        seconds @ 0..=20 => Ok(Duration::from_secs(seconds)),
        seconds => Err(serde::de::Error::custom(format!("`repeat_window` is 0 to 20 seconds, not {seconds}"))),
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            plain_tokens: PlainTokens::default(),
            hosts: Vec::new(),
            tls: None,
            adapter: Vec::new(),
            actions: ActionRules::default(),
            callbacks: CallbackRules::default(),
            retention: RetentionRules::default(),
            bridge: BridgeSettings::default(),
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration {path} cannot be read: {source}; check that it exists and that this user may read it", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not what it should be; the text names line and column, or the variable.
    #[error("the configuration is not right: {0}")]
    Invalid(Faults),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::Keep;

    #[test]
    fn one_adapter_or_several_are_named_in_order() {
        let read = |text: &str| toml::from_str::<Config>(text).map(|config| config.adapter);
        assert_eq!(read("adapter = \"hci1\"").unwrap(), ["hci1"]);
        assert_eq!(read("adapter = [\"hci1\", \"hci0\"]").unwrap(), ["hci1", "hci0"]);
        assert!(read("adapter = 1").unwrap_err().to_string().contains("list of names"));
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
        assert!(Config::default().listen.ip().is_loopback());
    }

    #[test]
    fn retention_is_set_per_kind_in_days_or_for_ever() {
        let text = "[retention]\nevents = 365\nobservations = \"forever\"\nkinds = { door = 30, gap = \"forever\" }\n";
        let rules = toml::from_str::<Config>(text).unwrap().retention;
        assert_eq!((rules.events, rules.observations), (Keep::Days(365), Keep::Forever));
        assert_eq!((rules.kinds["door"], rules.kinds["gap"]), (Keep::Days(30), Keep::Forever));
        assert_eq!(RetentionRules::default().events, Keep::Forever, "nothing is removed unless the owner says so");
    }

    #[test]
    fn retention_that_cannot_be_meant_is_refused_with_what_it_takes() {
        for (text, word) in [
            ("events = 0", "7 to 36500"),
            ("events = 6", "7 to 36500"),
            ("events = -1", "number of days or \"forever\""),
            ("events = \"always\"", "\"forever\""),
            ("observations = 13", "14"),
            ("kinds = { dor = 30 }", "lock_action"),
            ("event = 30", "unknown field"),
        ] {
            let error = toml::from_str::<Config>(&format!("[retention]\n{text}\n")).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn plain_tokens_stay_at_home_unless_the_owner_says_otherwise() {
        let read = |text: &str| toml::from_str::<Config>(text).map(|config| config.plain_tokens);
        assert_eq!(read(""), Ok(PlainTokens::Local));
        assert_eq!(read("plain_tokens = \"always\""), Ok(PlainTokens::Always));
        assert_eq!(read("plain_tokens = \"never\""), Ok(PlainTokens::Never));
        let error = read("listen = \"0.0.0.0:8080\"\nplain_tokens = true\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        let error = read("plain_tokens = \"on\"").unwrap_err().to_string();
        assert!(error.contains("`never`, `local`, `always`"), "{error}");
    }

    #[test]
    fn callbacks_carry_our_keys_unless_the_owner_says_otherwise() {
        let text = "[callbacks]\nextended = false\nstate_when_added = true\n";
        let rules = toml::from_str::<Config>(text).unwrap().callbacks;
        assert!(rules.is_bare_url("http://h/") && rules.state_when_added);
        let rules = toml::from_str::<Config>("callbacks = { vendor_only = [\"fhem.lan\"] }").unwrap().callbacks;
        assert!(rules.is_bare_url("http://fhem.lan:8083/x") && !rules.is_bare_url("http://ha.lan:8123/x"));
        assert!(!Config::default().callbacks.is_bare_url("http://h/"));
    }

    #[test]
    fn the_example_shows_the_defaults() {
        let text = include_str!("../examples/keyturner.toml");
        assert_eq!(toml::from_str::<Config>(text).unwrap(), Config::default());
    }

    #[test]
    fn a_repeat_window_in_which_people_would_be_ignored_is_refused() {
        let read = |text: &str| toml::from_str::<Config>(text).map(|config| config.actions.repeat_window.as_secs());
        assert_eq!((read(""), read("[actions]\nrepeat_window = 0")), (Ok(2), Ok(0)));
        let error = read("[actions]\nrepeat_window = 21").unwrap_err().to_string();
        assert!(error.contains("0 to 20"), "{error}");
    }

    #[test]
    fn tls_needs_an_address_a_certificate_and_a_key() {
        let whole = "[tls]\nlisten = \"192.0.2.1:8443\"\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\n";
        let tls = toml::from_str::<Config>(whole).unwrap().tls.unwrap();
        assert_eq!((tls.listen.port(), tls.key), (8443, PathBuf::from("/k.pem")));
        for line in ["listen", "certificate", "key"] {
            let part: String = whole.lines().filter(|l| !l.starts_with(line)).map(|l| format!("{l}\n")).collect();
            let error = toml::from_str::<Config>(&part).unwrap_err().to_string();
            assert!(error.contains(&format!("missing field `{line}`")), "{error}");
        }
    }

    #[test]
    fn the_bridge_reads_live_and_lets_nobody_touch_it_unless_told() {
        assert!(BridgeSettings::default().allow.is_empty());
        assert!(BridgeSettings::default().lock_state_max_age.duration().is_zero());
        let text = "[bridge]\nlock_state_max_age = 300\nallow = [\"reboot\", \"unpair\", \"factory_reset\"]\n";
        let bridge = toml::from_str::<Config>(text).unwrap().bridge;
        assert_eq!((bridge.lock_state_max_age.duration().as_secs(), bridge.allow.len()), (300, 3));
        for (text, word) in [
            ("lock_state_max_age = 301", "0 to 300"),
            ("allow = [\"format\"]", "factory_reset"),
            ("alow = []", "unknown field"),
        ] {
            let error = toml::from_str::<Config>(&format!("[bridge]\n{text}\n")).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
