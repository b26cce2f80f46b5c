//! What the owner may set of callbacks.

use serde::Deserialize;
use url::{Host, Url};

use super::post::Target;

/// What receivers of callbacks get.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallbackRules {
    /// Our keys stand behind the vendor's.
    pub extended: bool,
    /// Receivers that get the vendor's keys alone all the same.
    pub vendor_only: Vec<Receiver>,
    /// A new receiver is told once how each lock stands.
    pub state_when_added: bool,
}

impl Default for CallbackRules {
    /// A hardware bridge tells of changes alone, and a POST without one starts the automations of its receiver.
    fn default() -> Self {
        Self { extended: true, vendor_only: Vec::new(), state_when_added: false }
    }
}

impl CallbackRules {
    /// Whether this receiver gets the vendor's keys alone.
    #[must_use]
    pub fn is_bare(&self, target: &Target) -> bool {
        !self.extended || self.vendor_only.iter().any(|receiver| receiver.is_at(target))
    }

    /// The same for a URL as it is stored; one that is none is told nothing.
    #[must_use]
    pub fn is_bare_url(&self, url: &str) -> bool {
        Target::parse(url).map_or(true, |target| self.is_bare(&target))
    }
}

/// Receivers at a host, at one of its ports or at all. Not a URL, since that often holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Receiver {
    host: Host<String>,
    port: Option<u16>,
}

/// Why a text names no receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a receiver is a host or a host with its port, such as \"192.168.1.30\" or \"fhem.lan:8083\"")]
pub struct BadReceiver;

impl TryFrom<String> for Receiver {
    type Error = BadReceiver;

    fn try_from(text: String) -> Result<Self, BadReceiver> {
        if text.contains(['/', '?', '#', '@', '\\']) || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(BadReceiver);
        }
        let as_http = Url::parse(&format!("http://{text}/")).map_err(|_| BadReceiver)?;
        let host = as_http.host().ok_or(BadReceiver)?.to_owned();
        let names_port = !text.ends_with(']') && text.rsplit_once(':').is_some();
        Ok(Self { host, port: names_port.then(|| as_http.port().unwrap_or(80)) })
    }
}

impl Receiver {
    fn is_at(&self, target: &Target) -> bool {
        self.host == *target.host() && self.port.is_none_or(|port| port == target.port())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_found_by_its_host_with_or_without_a_port() {
        let is_at = |receiver: &str, url: &str| {
            Receiver::try_from(receiver.to_owned()).unwrap().is_at(&Target::parse(url).unwrap())
        };
        for (receiver, url) in [
            ("192.168.1.30", "http://192.168.1.30:8083/fhem?secret=1"),
            ("FHEM.lan:8083", "http://fhem.lan:8083/x"),
            ("fhem.lan:80", "http://user@fhem.lan/x"),
            ("[fd00::1]", "http://[fd00::1]:9/"),
            ("[fd00::1]:9", "http://[fd00::1]:9/"),
        ] {
            assert!(is_at(receiver, url), "{receiver} {url}");
        }
        for (receiver, url) in [
            ("192.168.1.3", "http://192.168.1.30/"),
            ("fhem.lan:80", "http://fhem.lan:8083/"),
            ("[fd00::1]:80", "http://[fd00::1]:9/"),
            ("lan", "http://fhem.lan/"),
        ] {
            assert!(!is_at(receiver, url), "{receiver} {url}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_with_an_example() {
        for text in ["", "http://h/", "h/path", "user@h", "h:port", "h:70000", "h i", "h?x"] {
            assert_eq!(Receiver::try_from(text.to_owned()), Err(BadReceiver), "{text}");
        }
        let error = toml::from_str::<CallbackRules>("vendor_only = [\"http://h\"]").unwrap_err().to_string();
        assert!(error.contains("fhem.lan:8083"), "{error}");
    }
}
