//! `keyturner clock`: each lock's time beside the host's, and setting it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::DataArgs;
use super::pair::parse_nuki_id;
use crate::clock::{Clock, UnixMillis};
use crate::config::Config;
use crate::protocol::beacon::NukiId;
use crate::secrets::{Secrets, Token};
use crate::session::clock_verdict;
use crate::store::{Store, StoredClock};

/// The gateway answers within twenty seconds, whatever the lock does.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Its answers are short.
const MAX_ANSWER: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(super) struct ClockArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Set the clock of each lock that is off by more than 30 seconds, or of the one named by --lock in any case
    #[arg(long)]
    set: bool,
    /// This lock only (8 hex digits)
    #[arg(long, value_name = "HEX", value_parser = parse_nuki_id)]
    lock: Option<NukiId>,
    /// Configuration file (TOML), to find the running gateway
    #[arg(long, value_name = "FILE", env = "KEYTURNER_CONFIG")]
    config: Option<PathBuf>,
    /// Address and port of the running gateway; overrides the configuration
    #[arg(long, value_name = "ADDRESS:PORT", env = "KEYTURNER_LISTEN")]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(args: ClockArgs) -> anyhow::Result<()> {
    let path = args.data.database();
    if !path.exists() {
        bail!("there is no event log at {}; is --data right, and has `keyturner run` been started?", path.display());
    }
    let store = Store::open(&path).await?;
    let locks = store.locks().await?;
    if let Some(id) = args.lock.filter(|id| locks.iter().all(|lock| lock.nuki_id != *id)) {
        bail!("no lock {id:08X} is known");
    }
    let now = Clock::system().wall();
    println!("host: {}", now.rfc3339());
    let mut wrong = Vec::new();
    for lock in locks.iter().filter(|lock| args.lock.is_none_or(|id| id == lock.nuki_id)) {
        let seen = store.lock_health(lock.nuki_id).await?.clock;
        let line = format!("{:08X} {}: {}", lock.nuki_id, lock.name, describe(seen, now));
        // Names come from the air: nothing in them may steer a terminal.
        println!("{}", line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>());
        let is_wrong = seen.is_some_and(|seen| clock_verdict(seen.clock.skew, seen.clock.zone_offset).should_be_set);
        if is_wrong || (args.set && args.lock.is_some()) {
            wrong.push(lock.nuki_id);
        }
    }
    if !args.set {
        if !wrong.is_empty() {
            println!("run keyturner clock --set");
        }
        return Ok(());
    }
    let config = args.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    let address = reachable(args.listen.unwrap_or(config.listen));
    let secrets = Secrets::load_or_create(&args.data.data)?;
    for nuki_id in wrong {
        let skew = set(address, nuki_id, &secrets.bridge.token).await?;
        println!("{nuki_id:08X}: set; now {}", distance(skew));
    }
    Ok(())
}

fn describe(seen: Option<StoredClock>, now: UnixMillis) -> String {
    let Some(seen) = seen else { return "its clock was never read".to_owned() };
    let (skew, zone) = (seen.clock.skew, seen.clock.zone_offset);
    let shows = UnixMillis(now.0.saturating_add(skew)).rfc3339();
    let shows = shows.trim_end_matches('Z');
    let read = format!("read {} min ago", now.since(seen.read_at).as_secs() / 60);
    if clock_verdict(skew, zone).is_local_time {
        let rest = skew.saturating_sub(i64::from(zone) * 60_000);
        return format!("{shows}, local time (zone {zone:+} min), {} ({read})", distance(rest));
    }
    format!("{shows}, {} ({read})", distance(skew))
}

fn distance(skew: i64) -> String {
    let seconds = skew.unsigned_abs() / 1000;
    match skew {
        0.. => format!("{seconds} s ahead"),
        _ => format!("{seconds} s behind"),
    }
}

/// Where a gateway is reached that listens everywhere.
const fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => {
            SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), listen.port())
        }
        _ => listen,
    }
}

/// Asks the running gateway, which owns the radio. Gives how far the clock is off afterwards, in milliseconds.
async fn set(address: SocketAddr, nuki_id: NukiId, token: &Token) -> anyhow::Result<i64> {
    let exchange = async {
        let mut stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("no gateway answers at {address}; is `keyturner run` up, and --listen right?"))?;
        let request = format!(
            "POST /v1/locks/{nuki_id}/clock HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n",
            token.expose()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = timeout(ANSWER_WITHIN, exchange).await.context("the gateway does not answer")??;
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").and_then(|at| answer.get(at + 4..));
    let body: serde_json::Value =
        body.and_then(|body| serde_json::from_slice(body).ok()).context("the gateway's answer is not understood")?;
    if let Some(skew) = body.get("clockSkew").and_then(serde_json::Value::as_i64) {
        return Ok(skew);
    }
    let text = |key| body.get(key).and_then(serde_json::Value::as_str).unwrap_or("without a reason");
    bail!("the clock of {nuki_id:08X} was not set: {}; {}", text("message"), text("hint"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::protocol::datetime::DeviceTime;
    use crate::store::LockClock;

    fn said(skew: i64, zone_offset: i16) -> String {
        let device_time = DeviceTime::from_unix_seconds(1_795_442_400).unwrap();
        let seen =
            StoredClock { read_at: UnixMillis(1_795_442_400_000), device_time, clock: LockClock { skew, zone_offset } };
        describe(Some(seen), UnixMillis(1_795_442_460_000))
    }

    #[test]
    fn a_lock_on_local_time_is_said_to_be_on_local_time() {
        assert_eq!(said(-40_000, 60), "2026-11-23T14:00:20.000, 40 s behind (read 1 min ago)");
        assert_eq!(
            said(3_602_000, 60),
            "2026-11-23T15:01:02.000, local time (zone +60 min), 2 s ahead (read 1 min ago)"
        );
        assert_eq!(describe(None, UnixMillis(0)), "its clock was never read");
    }

    #[test]
    fn a_gateway_that_listens_everywhere_is_asked_at_home() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(at("[::]:8080"), "[::1]:8080");
        assert_eq!(at("192.0.2.7:80"), "192.0.2.7:80");
    }

    /// Asks a gateway that answers with `answer`; gives what came of it, and what it was asked.
    async fn asked(answer: &'static str) -> (anyhow::Result<i64>, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let token = Token::new("abc123").unwrap();
        let result = set(address, 0x0A1B_2C3D, &token).await;
        (result, gateway.await.unwrap())
    }

    #[tokio::test]
    async fn the_running_gateway_is_asked_and_its_reason_is_told() {
        let (skew, request) = asked("HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"clockSkew\":-40}").await;
        assert_eq!(skew.unwrap(), -40);
        assert!(request.starts_with("POST /v1/locks/169552957/clock HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nAuthorization: Bearer abc123\r\n"), "not in the URL, which logs may hold");

        let (no, _) =
            asked("HTTP/1.1 503 X\r\n\r\n{\"error\":\"unavailable\",\"message\":\"no PIN\",\"hint\":\"set it\"}").await;
        let no = no.unwrap_err().to_string();
        assert_eq!(no, "the clock of 0A1B2C3D was not set: no PIN; set it");

        for garbage in ["", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n<html>"] {
            let no = format!("{:#}", asked(garbage).await.0.unwrap_err());
            assert!(no.contains("not understood") && !no.contains("abc123"), "{no}");
        }
    }
}
