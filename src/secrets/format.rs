//! The file's content.

use std::fmt;

use serde::de::{self, DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{
    BridgeIdentity, ClientKey, ClientToken, FIRST_TOKEN, ID_RANGE, LockSecret, Token, WebhookSecret, is_client_name,
    webhook,
};
use crate::access::{Access, Scope};
use crate::clock::UnixMillis;
use crate::protocol::IdType;
use crate::protocol::crypto::{Pin, SharedKey};
use crate::protocol::gatt::Generation;
use crate::transport::Address;

/// The version of this format without webhooks.
const VERSION: u32 = 1;
/// With webhooks. Written only where there are some, so that the program before it still reads all other files,
/// and says of these that they are newer instead of that they are wrong.
const VERSION_WITH_WEBHOOKS: u32 = 2;
/// With tokens beside the first one; written only where there are some, for the same reason.
const VERSION_WITH_TOKENS: u32 = 3;

/// The largest PIN: six digits.
const MAX_PIN: u32 = 999_999;

/// What is in the file.
pub(super) struct Content {
    pub(super) bridge: BridgeIdentity,
    pub(super) app_id: u32,
    pub(super) locks: Vec<LockSecret>,
    pub(super) webhooks: Vec<WebhookSecret>,
    pub(super) tokens: Vec<ClientToken>,
}

/// Only the version, whatever else there is.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    bridge: Bridge,
    app_id: u32,
    locks: Vec<Lock>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    webhooks: Vec<Webhook>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tokens: Vec<Client>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bridge {
    token: Token,
    hardware_id: Id,
    server_id: Id,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    nuki_id: u32,
    address: AddressText,
    name: String,
    auth_id: u32,
    shared_key: Hex<32>,
    uuid: Hex<16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<PinNumber>,
    generation: GenerationName,
    id_type: Role,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhook {
    number: i64,
    url: UrlText,
    secret: SecretText,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    name: NameText,
    /// Either this ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<Token>,
    /// ... or this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Hex<32>>,
    scopes: Vec<ScopeName>,
    /// Absent: every lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locks: Option<Vec<u32>>,
    created: Moment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Moment>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum GenerationName {
    Gen1To4,
    Gen5,
    Opener,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    App,
    Bridge,
}

/// Reads the content. The error says where and what, and holds no value from the file.
pub(super) fn parse(bytes: &[u8]) -> Result<Content, String> {
    let head: Head = read(bytes)?;
    if !(VERSION..=VERSION_WITH_TOKENS).contains(&head.version) {
        return Err(format!(
            "it has version {}, and this program reads versions {VERSION} to {VERSION_WITH_TOKENS}; \
             use the program that wrote it",
            head.version
        ));
    }
    let document: Document = read(bytes)?;
    let mut locks: Vec<LockSecret> = Vec::with_capacity(document.locks.len());
    for lock in document.locks {
        if locks.iter().any(|other| other.nuki_id == lock.nuki_id) {
            return Err(format!("lock {:08X} stands there twice", lock.nuki_id));
        }
        locks.push(lock.into());
    }
    let mut webhooks: Vec<WebhookSecret> = Vec::with_capacity(document.webhooks.len());
    for Webhook { number, url: UrlText(url), secret: SecretText(secret) } in document.webhooks {
        if webhooks.iter().any(|other| other.number == number) {
            return Err(format!("webhook {number} stands there twice"));
        }
        webhooks.push(WebhookSecret { number, url, secret });
    }
    let mut tokens: Vec<ClientToken> = Vec::with_capacity(document.tokens.len());
    for client in document.tokens {
        let token = ClientToken::try_from(client)?;
        if token.name == FIRST_TOKEN || tokens.iter().any(|other| other.name == token.name) {
            return Err(format!("the token {} stands there twice", token.name));
        }
        tokens.push(token);
    }
    let Bridge { token, hardware_id: Id(hardware_id), server_id: Id(server_id) } = document.bridge;
    let bridge = BridgeIdentity { token, hardware_id, server_id };
    Ok(Content { bridge, app_id: document.app_id, locks, webhooks, tokens })
}

/// The content as text.
pub(super) fn render(
    bridge: &BridgeIdentity,
    app_id: u32,
    locks: &[LockSecret],
    webhooks: &[WebhookSecret],
    tokens: &[ClientToken],
) -> Result<Zeroizing<String>, String> {
    let document = Document {
        version: match (webhooks, tokens) {
            (_, [_, ..]) => VERSION_WITH_TOKENS,
            ([_, ..], []) => VERSION_WITH_WEBHOOKS,
            ([], []) => VERSION,
        },
        bridge: Bridge {
            token: bridge.token.clone(),
            hardware_id: Id(bridge.hardware_id),
            server_id: Id(bridge.server_id),
        },
        app_id,
        locks: locks.iter().map(Lock::try_from).collect::<Result<_, _>>()?,
        webhooks: webhooks
            .iter()
            .map(|webhook| Webhook {
                number: webhook.number,
                url: UrlText(webhook.url.clone()),
                secret: SecretText(webhook.secret.clone()),
            })
            .collect(),
        tokens: tokens.iter().map(Client::from).collect(),
    };
    // Room for all of it from the start: a buffer that grows leaves copies behind.
    let names: usize = locks.iter().map(|lock| lock.name.len() * 6).sum();
    let reached = |token: &ClientToken| token.access.locks().map_or(0, std::collections::BTreeSet::len);
    let clients: usize = tokens.iter().map(|token| 1024 + reached(token) * 32).sum();
    let urls: usize = webhooks.iter().map(|webhook| 512 + webhook.url.expose().len() * 6).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(1024 + locks.len() * 1024 + names + urls + clients));
    serde_json::to_writer_pretty(&mut *text, &document).map_err(|_| "it cannot be written as JSON".to_owned())?;
    text.push(b'\n');
    let text = String::from_utf8(std::mem::take(&mut *text)).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Zeroizing::new(text))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        format!("{place}: {}", without_values(&error.to_string()))
    })
}

/// serde quotes what it found, which may be a key. What it expected is our own
/// text, and names of fields are no secret.
fn without_values(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let quoting = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    if quoting.iter().any(|start| message.starts_with(start)) {
        return match message.rsplit_once(", expected ") {
            Some((_, expected)) => format!("wrong value, expected {expected}"),
            None => "wrong value".to_owned(),
        };
    }
    message.to_owned()
}

impl TryFrom<Client> for ClientToken {
    type Error = String;

    fn try_from(client: Client) -> Result<Self, String> {
        let Client { name: NameText(name), token, sha256, scopes, locks, created, expires } = client;
        let key = match (token, sha256) {
            (Some(token), None) => ClientKey::Token(token),
            (None, Some(digest)) => ClientKey::Digest(*digest.0),
            _ => return Err(format!("the token {name} has to have either `token` or `sha256`")),
        };
        let access = Access::new(
            scopes.into_iter().map(|ScopeName(scope)| scope),
            locks.map(|locks| locks.into_iter().collect()),
        );
        Ok(Self { name, key, access, created: created.0, expires: expires.map(|Moment(at)| at) })
    }
}

impl From<&ClientToken> for Client {
    fn from(client: &ClientToken) -> Self {
        let (token, sha256) = match &client.key {
            ClientKey::Token(token) => (Some(token.clone()), None),
            ClientKey::Digest(digest) => (None, Some(Hex(Zeroizing::new(*digest)))),
        };
        Self {
            name: NameText(client.name.clone()),
            token,
            sha256,
            scopes: client.access.scopes().map(ScopeName).collect(),
            locks: client.access.locks().map(|locks| locks.iter().copied().collect()),
            created: Moment(client.created),
            expires: client.expires.map(Moment),
        }
    }
}

impl From<Lock> for LockSecret {
    fn from(lock: Lock) -> Self {
        Self {
            nuki_id: lock.nuki_id,
            address: lock.address.0,
            name: lock.name,
            auth_id: lock.auth_id,
            shared_key: SharedKey::from_bytes(*lock.shared_key.0),
            uuid: *lock.uuid.0,
            pin: lock.pin.map(|PinNumber(pin)| pin),
            generation: match lock.generation {
                GenerationName::Gen1To4 => Generation::Gen1To4,
                GenerationName::Gen5 => Generation::Gen5,
                GenerationName::Opener => Generation::Opener,
            },
            id_type: match lock.id_type {
                Role::App => IdType::App,
                Role::Bridge => IdType::Bridge,
            },
        }
    }
}

impl TryFrom<&LockSecret> for Lock {
    type Error = String;

    fn try_from(lock: &LockSecret) -> Result<Self, String> {
        Ok(Self {
            nuki_id: lock.nuki_id,
            address: AddressText(lock.address),
            name: lock.name.clone(),
            auth_id: lock.auth_id,
            shared_key: Hex(Zeroizing::new(*lock.shared_key.expose())),
            uuid: Hex(Zeroizing::new(lock.uuid)),
            pin: lock.pin.map(PinNumber),
            generation: match lock.generation {
                Generation::Gen1To4 => GenerationName::Gen1To4,
                Generation::Gen5 => GenerationName::Gen5,
                Generation::Opener => GenerationName::Opener,
            },
            id_type: match lock.id_type {
                IdType::App => Role::App,
                IdType::Bridge => Role::Bridge,
                other => return Err(format!("lock {:08X}: we cannot be paired as {other}", lock.nuki_id)),
            },
        })
    }
}

/// Bytes as hex digits, never copied to an ordinary string.
struct Hex<const N: usize>(Zeroizing<[u8; N]>);

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new(String::with_capacity(2 * N));
        for byte in self.0.iter() {
            for nibble in [byte >> 4, byte & 0x0F] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
        serializer.serialize_str(&text)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parse = |text: &str| {
            let mut bytes = Zeroizing::new([0; N]);
            if text.len() != 2 * N {
                return None;
            }
            for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                for digit in pair {
                    let nibble = char::from(*digit).to_digit(16).and_then(|nibble| u8::try_from(nibble).ok())?;
                    *byte = *byte << 4 | nibble;
                }
            }
            Some(Self(bytes))
        };
        deserializer.deserialize_str(Text { expected: format!("{} hex digits", 2 * N), parse })
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text { expected: "1 to 20 letters and digits".to_owned(), parse: Token::new })
    }
}

struct UrlText(webhook::WebhookUrl);

impl Serialize for UrlText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for UrlText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parse = |text: &str| webhook::WebhookUrl::parse(text).ok().map(UrlText);
        deserializer.deserialize_str(Text { expected: "a URL with https:// or http://".to_owned(), parse })
    }
}

struct SecretText(Zeroizing<String>);

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let lengths = webhook::SECRET_LENGTHS;
        let expected = format!("{} to {} characters without spaces", lengths.start(), lengths.end());
        let fits = move |text: &str| lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        let parse = move |text: &str| fits(text).then(|| Self(Zeroizing::new(text.to_owned())));
        deserializer.deserialize_str(Text { expected, parse })
    }
}

struct NameText(String);

impl Serialize for NameText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NameText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a name of 1 to 64 letters, digits, `-`, `_` and `.`".to_owned();
        let parse = |text: &str| is_client_name(text).then(|| Self(text.to_owned()));
        deserializer.deserialize_str(Text { expected, parse })
    }
}

struct ScopeName(Scope);

impl Serialize for ScopeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for ScopeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "read, lock, unlock, history or admin".to_owned();
        deserializer.deserialize_str(Text { expected, parse: |text: &str| text.parse().ok().map(ScopeName) })
    }
}

struct Moment(UnixMillis);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.rfc3339())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a time such as 2026-11-23T14:05:09Z".to_owned();
        let parse = |text: &str| {
            let time = text.parse::<jiff::Timestamp>().ok()?;
            Some(Self(UnixMillis(time.as_millisecond())))
        };
        deserializer.deserialize_str(Text { expected, parse })
    }
}

struct AddressText(Address);

impl Serialize for AddressText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AddressText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a Bluetooth address such as 54:D2:72:01:02:03".to_owned();
        deserializer.deserialize_str(Text { expected, parse: |text: &str| text.parse().ok().map(AddressText) })
    }
}

/// A string that `parse` accepts; the error holds what was expected, not what was found.
struct Text<F> {
    expected: String,
    parse: F,
}

impl<T, F: Fn(&str) -> Option<T>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::custom(format_args!("wrong value, expected {}", self.expected)))
    }
}

#[derive(Serialize)]
struct Id(u32);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = u32::deserialize(deserializer)?;
        if ID_RANGE.contains(&id) {
            return Ok(Self(id));
        }
        let (low, high) = (ID_RANGE.start(), ID_RANGE.end());
        Err(de::Error::custom(format_args!("wrong value, expected a number from {low} to {high}")))
    }
}

struct PinNumber(Pin);

impl Serialize for PinNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for PinNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            pin @ 0..=MAX_PIN => Ok(Self(Pin::new(pin))),
            _ => Err(de::Error::custom("wrong value, expected a PIN of at most 6 digits")),
        }
    }
}
