//! What is looked at. Nothing here changes anything but the adapter's power, as the gateway would: the event log least of all.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::super::DataArgs;
use super::super::health::{deaf_radio, list, text};
use super::super::local::{Local, LocalArgs};
use super::Finding;
use crate::pairing::with_advice;
use crate::protocol::IdType;
use crate::protocol::gatt::Generation;
use crate::secrets::{LockSecret, Place, Secrets};
use crate::store::{Store, StoreError};
use crate::transport::bluez::{BluezOptions, BluezTransport, look_at_adapter};
use crate::transport::{Address, Transport};

/// The oldest bluetoothd that this program was tried with.
const OLDEST_BLUEZ: (u32, u32) = (5, 66);
/// Where distributions put bluetoothd, beside the search path.
const BLUETOOTHD: [&str; 3] = ["bluetoothd", "/usr/libexec/bluetooth/bluetoothd", "/usr/lib/bluetooth/bluetoothd"];
/// An event is on the disk before anybody is told, so a sync that takes longer delays a door's callback.
const SLOW_DISK: Duration = Duration::from_millis(100);
/// Below this, links are known to break.
const WEAK_SIGNAL: i16 = -85;
/// A receiver in the same house answers at once.
const REACH_WITHIN: Duration = Duration::from_secs(3);

/// The secret store, and what it says of each lock.
pub(super) fn secrets(place: Place) -> (Option<Secrets>, Vec<Finding>) {
    let dir = place.dir().display().to_string();
    let secrets = match Secrets::load(place) {
        Ok(Some(secrets)) => secrets,
        Ok(None) => {
            let seen = format!("none in {dir}");
            return (None, vec![Finding::amiss("secrets", seen, "run `keyturner pair`, or give the right --data")]);
        }
        Err(error) => return (None, vec![Finding::amiss("secrets", error.to_string(), "")]),
    };
    let mut found = Vec::new();
    match secrets.locks().len() {
        0 => found.push(Finding::amiss("secrets", "no lock is paired", "run `keyturner pair`")),
        count => found.push(Finding::well("secrets", format!("{count} paired"))),
    }
    found.extend(secrets.locks().iter().map(paired));
    (Some(secrets), found)
}

fn paired(lock: &LockSecret) -> Finding {
    let role = match (lock.generation, lock.id_type) {
        (Generation::Gen5, _) => "5th generation, which has no bridge role: it is asked now and then",
        (_, IdType::Bridge) => "paired as its bridge",
        _ => "paired as an app: it does not say when something changed, and is asked now and then",
    };
    if lock.pin.is_none() {
        let advice = "its log stays closed and nobody can be named; set it with `keyturner pin`";
        return Finding::amiss(name(lock), format!("{role}; no security PIN"), advice);
    }
    Finding::well(name(lock), format!("{role}; security PIN given"))
}

fn name(lock: &LockSecret) -> String {
    format!("lock {:08X} {}", lock.nuki_id, lock.name)
}

/// How long the disk takes to keep something for good.
pub(super) async fn disk(dir: &Path) -> Finding {
    let path = dir.join(format!(".doctor-{}", std::process::id()));
    let measured = tokio::task::spawn_blocking(move || {
        let result = sync_time(&path);
        // Whatever went wrong is told already.
        std::fs::remove_file(&path).ok();
        result
    });
    let advice = "the data directory has to be on a disk that can be written, by the user of the service";
    match measured.await {
        Ok(Ok(took)) if took <= SLOW_DISK => Finding::well("disk", format!("a sync takes {} ms", took.as_millis())),
        Ok(Ok(took)) => {
            let seen = format!("a sync takes {} ms", took.as_millis());
            Finding::amiss("disk", seen, "each event waits for it; a worn SD card is slow, an SSD is not")
        }
        Ok(Err(error)) => Finding::amiss("disk", format!("{}: {error}", dir.display()), advice),
        Err(error) => Finding::amiss("disk", error.to_string(), advice),
    }
}

/// The median of five.
fn sync_time(path: &Path) -> std::io::Result<Duration> {
    let mut file = std::fs::File::create(path)?;
    let mut times = [Duration::ZERO; 5];
    for time in &mut times {
        let began = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        *time = began.elapsed();
    }
    times.sort_unstable();
    Ok(times[2])
}

/// BlueZ and the adapter.
pub(super) async fn bluetooth(adapter: Option<&str>) -> Vec<Finding> {
    let version = tokio::task::spawn_blocking(bluez_version).await;
    let mut found = vec![version.unwrap_or_else(|error| Finding::amiss("BlueZ", error.to_string(), ""))];
    found.push(match look_at_adapter(adapter).await {
        Ok(facts) => {
            let power = if facts.is_powered { "on" } else { "off, the gateway switches it on" };
            Finding::well("adapter", format!("{} {}, {power}", facts.name, facts.address))
        }
        Err(error) => Finding::amiss("adapter", with_advice(&error), ""),
    });
    found
}

fn bluez_version() -> Finding {
    for program in BLUETOOTHD {
        let Ok(output) = Command::new(program).arg("--version").output() else { continue };
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let (oldest, newest) = OLDEST_BLUEZ;
        return match version(&text) {
            Some(version) if version >= OLDEST_BLUEZ => Finding::well("BlueZ", text),
            Some(_) => {
                Finding::amiss("BlueZ", text, format!("older than {oldest}.{newest}, the oldest that was tried"))
            }
            None => Finding::amiss("BlueZ", format!("{program} does not say its version"), ""),
        };
    }
    Finding::amiss("BlueZ", "bluetoothd was not found", "on Debian: apt install bluez")
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// How strong each lock is heard.
pub(super) async fn signal(locks: &[LockSecret], adapter: Option<String>, limit: Duration) -> Vec<Finding> {
    let known: Vec<Address> = locks.iter().map(|lock| lock.address).collect();
    let transport = BluezTransport::new(BluezOptions { adapters: adapter.into_iter().collect(), known: known.clone() });
    let mut heard: BTreeMap<Address, Option<i16>> = BTreeMap::new();
    let mut sightings = match transport.scan().await {
        Ok(sightings) => sightings,
        Err(error) => return vec![Finding::amiss("listening", with_advice(&error), "")],
    };
    let all = async {
        while let Some(sighting) = sightings.recv().await {
            heard.insert(sighting.address, sighting.rssi);
            if known.iter().all(|address| heard.contains_key(address)) {
                return;
            }
        }
    };
    // Whoever was not heard by then is told below.
    timeout(limit, all).await.ok();
    locks.iter().map(|lock| strength(lock, heard.get(&lock.address).copied(), limit)).collect()
}

fn strength(lock: &LockSecret, heard: Option<Option<i16>>, limit: Duration) -> Finding {
    match heard {
        None => Finding::amiss(
            name(lock),
            format!("not heard within {} s", limit.as_secs()),
            "it is out of range, without batteries, or linked to another program at this moment",
        ),
        Some(Some(rssi)) if rssi < WEAK_SIGNAL => {
            let advice = "weak: move the adapter nearer, or use one with an antenna on a cable";
            Finding::amiss(name(lock), format!("heard with {rssi} dBm"), advice)
        }
        Some(Some(rssi)) => Finding::well(name(lock), format!("heard with {rssi} dBm")),
        Some(None) => Finding::well(name(lock), "heard"),
    }
}

/// What the running gateway says of itself.
pub(super) async fn gateway(data: &DataArgs, local: &LocalArgs) -> Vec<Finding> {
    let health = match Local::find(data, local) {
        Ok(gateway) => gateway.ask("GET", "/v1/health").await,
        Err(error) => Err(error),
    };
    match health {
        Ok(health) => said(&health),
        Err(error) => vec![Finding::amiss("gateway", format!("{error:#}"), "")],
    }
}

fn said(health: &Value) -> Vec<Finding> {
    let mut found = vec![Finding::well("gateway", format!("{} runs", text(health, "version")))];
    found.extend(deaf_radio(health).map(|radio| Finding::amiss("gateway", "it hears nothing", text(radio, "problem"))));
    for lock in list(health, "locks") {
        let part = format!("gateway, {}", text(&lock, "name"));
        let attention = list(&lock, "attention");
        found.extend(attention.iter().filter_map(Value::as_str).map(|words| Finding::amiss(&part, words, "")));
        if attention.is_empty() {
            found.push(Finding::well(part, "log, PIN and clock are well"));
        }
    }
    for webhook in list(health, "webhooks").iter().filter(|webhook| webhook.get("lastError").is_some()) {
        found.push(Finding::amiss(format!("webhook {}", text(webhook, "name")), text(webhook, "lastError"), ""));
    }
    found
}

/// Whether the event log can be read, and the receivers of callbacks reached. Nothing is sent, and no URL is shown: it can
/// hold a secret.
pub(super) async fn callbacks(database: &Path) -> Vec<Finding> {
    if !database.exists() {
        return Vec::new();
    }
    let callbacks = match Store::look(database).await {
        Ok(store) => store.callbacks().await,
        Err(StoreError::Older { .. }) => {
            let seen =
                "an older version wrote it; a copy is made and it is brought up to date when the gateway starts next";
            return vec![Finding::well("event log", seen)];
        }
        Err(error) => Err(error),
    };
    let callbacks = match callbacks {
        Ok(callbacks) => callbacks,
        Err(error) => return vec![Finding::amiss("event log", error.to_string(), "")],
    };
    let mut found = Vec::new();
    for callback in callbacks {
        let part = format!("callback {}", callback.id);
        found.push(match timeout(REACH_WITHIN, reach(callback.url)).await {
            Ok(Ok(())) => Finding::well(part, "its receiver takes connections"),
            Ok(Err(error)) => Finding::amiss(part, error.to_string(), "is its receiver up, and at this address?"),
            Err(_) => {
                let seen = format!("no connection within {} s", REACH_WITHIN.as_secs());
                Finding::amiss(part, seen, "is its receiver up, and at this address?")
            }
        });
    }
    found
}

async fn reach(url: String) -> std::io::Result<()> {
    let invalid = |_| std::io::Error::other("its URL cannot be read");
    let addresses = tokio::task::spawn_blocking(move || Url::parse(&url).map_err(invalid)?.socket_addrs(|| None));
    let addresses = addresses.await.map_err(std::io::Error::other)??;
    TcpStream::connect(&addresses[..]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("5.66"), Some((5, 66)));
        assert!(version("5.100").unwrap() > version("5.66").unwrap());
        assert_eq!(version("unknown"), None);
    }

    #[test]
    fn what_the_gateway_says_is_passed_on() {
        let health = serde_json::json!({
            "version": "1", "radio": {"isListening": false, "problem": "no adapter"},
            "locks": [{"name": "Front", "attention": []}, {"name": "Back", "attention": ["the PIN is wrong"]}],
            "webhooks": [{"name": "alarm", "lastError": "refused"}, {"name": "log"}],
        });
        let lines: Vec<String> = said(&health).iter().map(Finding::line).collect();
        assert_eq!(
            lines,
            [
                "ok    gateway: 1 runs",
                "AMISS gateway: it hears nothing: no adapter",
                "ok    gateway, Front: log, PIN and clock are well",
                "AMISS gateway, Back: the PIN is wrong",
                "AMISS webhook alarm: refused",
            ]
        );
    }
}
