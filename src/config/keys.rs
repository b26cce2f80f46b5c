//! Which keys there are. The types of the configuration say it themselves, so there is no second list.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::Config;

/// Two names are taken for one another from here on (Jaro-Winkler, 0 to 1): `adaptor` and `adapter` have 0.94.
const ALIKE: f64 = 0.8;

/// What a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something that is set.
    Value,
    /// A table with these keys.
    Table(&'static [&'static str]),
    /// A table whose keys its owner chooses.
    Map,
    /// There is no such key; these there are.
    Unknown(&'static [&'static str]),
}

/// What the key at this place is.
pub(super) fn kind(path: &[&str]) -> Kind {
    match Config::deserialize(Probe { path }) {
        Err(Found(kind)) => kind,
        // Every probe ends with an error that carries the answer.
        Ok(_) => Kind::Value,
    }
}

/// All keys that hold a value, by their full names.
pub(super) fn values() -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let names: Vec<&str> = path.clone();
        match kind(&names) {
            Kind::Table(keys) => open.extend(keys.iter().rev().map(|key| [names.as_slice(), &[*key]].concat())),
            Kind::Value | Kind::Map => found.push(names.join(".")),
            Kind::Unknown(_) => {}
        }
    }
    found
}

/// The name that was probably meant.
pub(super) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let name = name.to_lowercase();
    let best = known.into_iter().map(|known| (strsim::jaro_winkler(&name, &known.to_lowercase()), known));
    best.max_by(|one, other| one.0.total_cmp(&other.0)).filter(|(alike, _)| *alike >= ALIKE).map(|(_, known)| known)
}

/// Follows one path through a type and says what it finds there, as an error.
struct Probe<'p> {
    path: &'p [&'p str],
}

#[derive(Debug)]
struct Found(Kind);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Found {}

impl de::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(Kind::Value)
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self(Kind::Unknown(expected))
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Found;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Found> {
        Err(Found(if self.path.is_empty() { Kind::Value } else { Kind::Unknown(&[]) }))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        visitor.visit_some(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Found> {
        Err(Found(match self.path {
            [] => Kind::Map,
            [_] => Kind::Value,
            _ => Kind::Unknown(&[]),
        }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Found> {
        if self.path.is_empty() {
            return Err(Found(Kind::Table(fields)));
        }
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Probe<'_> {
    type Error = Found;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Found> {
        let Some(key) = self.path.first() else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Found> {
        seed.deserialize(Probe { path: self.path.get(1..).unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_say_which_keys_there_are() {
        assert!(matches!(kind(&[]), Kind::Table(keys) if keys.contains(&"listen")));
        assert_eq!(kind(&["listen"]), Kind::Value);
        assert_eq!(kind(&["adapter"]), Kind::Value);
        assert_eq!(kind(&["tls"]), Kind::Table(&["listen", "certificate", "key"]));
        assert_eq!(kind(&["bridge", "lock_state_max_age"]), Kind::Value);
        assert_eq!(kind(&["retention", "kinds"]), Kind::Map);
        assert_eq!(kind(&["retention", "kinds", "door"]), Kind::Value);
        assert!(matches!(kind(&["adaptor"]), Kind::Unknown(keys) if keys.contains(&"adapter")));
        assert!(matches!(kind(&["tls", "cert"]), Kind::Unknown(_)));
        assert!(matches!(kind(&["listen", "port"]), Kind::Unknown(_)));
        assert!(matches!(kind(&["retention", "kinds", "door", "x"]), Kind::Unknown(_)));
    }

    #[test]
    fn a_name_that_is_almost_another_one_is_taken_for_it() {
        let known = ["listen", "plain_tokens", "adapter", "retention"];
        assert_eq!(nearest("adaptor", known), Some("adapter"));
        assert_eq!(nearest("Plain-Tokens", known), Some("plain_tokens"));
        assert_eq!(nearest("retentoin", known), Some("retention"));
        assert_eq!(nearest("colour", known), None);
    }
}
