//! `keyturner demo`: people at a simulated door; radio and lock are simulated, everything behind them is real.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Bytes;
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use super::enrol::CLIENT_NAME;
use super::host::Process;
use super::run::{paired, seed_source, webhook_secrets};
use super::{fresh_seed, history, stop_signal};
use crate::clock::Clock;
use crate::config::ActionRules;
use crate::daemon::{Daemon, Parts};
use crate::delivery::CallbackRules;
use crate::gateway::pair::{PairRequest, find, pair};
use crate::http::bridge::BridgeSettings;
use crate::http::{BridgeIdentity, PlainTokens, Token};
use crate::protocol::crypto::Pin;
use crate::protocol::{IdType, LockAction};
use crate::secrets::{LockSecret, Secrets};
use crate::simlock::{DoorMove, Person, SimLockConfig, Turn};
use crate::store::{RetentionRules, Store};
use crate::transport::sim::{SimDoor, SimRadio, SimSettings};

const NUKI_ID: u32 = 0x0A1B_2C3D;
const PIN: Pin = Pin::new(1234);
/// Keypad codes of the simulated family; see [`SimLockConfig::family`].
const ANNAS_CODE: u32 = 583_921;
const NOBODYS_CODE: u32 = 999_999;
/// Nothing in the demo takes longer.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Address and port of the HTTP API; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Keep serving after the play, until ctrl-C
    #[arg(long)]
    keep: bool,
}

/// A directory that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("keyturner-demo-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("keyturner: {} could not be removed: {error}", self.0.display());
        }
    }
}

pub(super) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let clock = Clock::system();
    let radio = SimRadio::new(clock, SimSettings::default(), fresh_seed()?);
    let door = radio.add(SimLockConfig::family(NUKI_ID), fresh_seed()?);
    let mut secrets = Secrets::load_or_create(&scratch.0)?;
    pair_with(&radio, &door, &mut secrets, clock).await?;
    let token = secrets.bridge.token.expose().to_owned();
    let store = Store::open(&scratch.0.join("keyturner.db")).await?;
    let daemon = Daemon::start(Parts {
        repeat_window: ActionRules::default().repeat_window,
        callbacks: CallbackRules::default(),
        retention: RetentionRules::default(),
        listen: args.listen,
        tls: None,
        hosts: Vec::new(),
        locks: secrets.locks().iter().map(|lock| paired(lock, secrets.app_id)).collect(),
        transport: Arc::new(radio),
        store: store.clone(),
        webhook_secrets: webhook_secrets(&scratch.0),
        tokens: vec![Token::new("demo", token.as_str())?],
        plain_tokens: PlainTokens::default(),
        identity: BridgeIdentity::new(secrets.bridge.hardware_id, secrets.bridge.server_id),
        bridge: BridgeSettings::default(),
        host: Arc::new(Process::new(scratch.0.clone())),
        clock,
        seed: seed_source()?,
    })
    .await?;
    let client = Client { address: daemon.address(), token };
    let play = Play { client, door, store };
    play.perform().await?;
    play.conclude(&scratch.0, args.keep).await?;
    let keep = args.keep;
    daemon
        .run_until(async move {
            if keep && let Err(error) = stop_signal().await {
                eprintln!("keyturner: cannot wait for signals: {error}");
            }
        })
        .await?;
    Ok(())
}

async fn pair_with(radio: &SimRadio, door: &SimDoor, secrets: &mut Secrets, clock: Clock) -> anyhow::Result<()> {
    println!("A simulated Smart Lock 3 is put into pairing mode. Everything behind its radio is real.");
    door.pairing_mode(true);
    let found = find(radio, Some(NUKI_ID), PATIENCE).await?;
    let request = PairRequest {
        id_type: IdType::Bridge,
        app_id: secrets.app_id,
        name: CLIENT_NAME.to_owned(),
        pin: Some(PIN),
        seed: fresh_seed()?,
    };
    let (authorization, generation) = pair(radio, clock, found.address, request).await?;
    println!("Paired with {NUKI_ID:08X}: authorization {}.", authorization.auth_id);
    secrets.put_lock(LockSecret {
        nuki_id: NUKI_ID,
        address: found.address,
        name: String::new(),
        generation,
        auth_id: authorization.auth_id,
        id_type: authorization.id_type,
        shared_key: authorization.key,
        uuid: authorization.uuid,
        pin: Some(PIN),
    });
    secrets.save()?;
    Ok(())
}

struct Play {
    client: Client,
    door: SimDoor,
    store: Store,
}

impl Play {
    async fn perform(&self) -> anyhow::Result<()> {
        let receiver = listen_for_callbacks().await?;
        self.client.get(&format!("/callback/add?url=http://{receiver}/")).await?;
        println!("The Bridge API answers at http://{}; a listener is registered for callbacks.\n", self.client.address);
        self.until_ready().await?;
        let fob = self.user(IdType::Fob)?;
        let phone = self.user(IdType::App)?;
        self.act("Anna types her code.", Some(Person::keypad(ANNAS_CODE))).await?;
        self.act("She opens the door.", Some(Person::Door(DoorMove::Open))).await?;
        self.act("The door falls shut.", Some(Person::Door(DoorMove::Close))).await?;
        self.act("Somebody turns the key from inside.", Some(Person::ManualTurn(Turn::Lock))).await?;
        self.act("Somebody tries a wrong code.", Some(Person::keypad(NOBODYS_CODE))).await?;
        self.act("Clara presses her fob.", Some(Person::Fob { auth: fob })).await?;
        let lock = Person::App { auth: phone, action: LockAction::Lock, auto_unlock: false };
        self.act("Dora locks with her phone.", Some(lock)).await?;
        self.act("Home Assistant unlocks over the Bridge API.", None).await?;
        Ok(())
    }

    async fn until_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.client.get("/list").await?.contains("lastKnownState") {
            if Instant::now() > deadline {
                bail!("the lock was never read");
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn user(&self, id_type: IdType) -> anyhow::Result<u32> {
        let found = self.door.inspect(|lock| {
            lock.users().iter().find(|user| user.entry.id_type == id_type).map(|user| user.entry.auth_id)
        });
        found.context("the simulated family has changed")
    }

    /// Something happens; waits until the event log has it and the listener was told.
    async fn act(&self, what: &str, person: Option<Person>) -> anyhow::Result<()> {
        println!("* {what}");
        let before = self.newest().await?;
        match person {
            // Being refused is part of the play.
            Some(person) => drop(self.door.person(person)),
            None => drop(self.client.get(&format!("/lockAction?nukiId={NUKI_ID}&action=1")).await?),
        }
        let deadline = Instant::now() + PATIENCE;
        while self.newest().await? == before || self.store.next_delivery(0).await?.is_some() {
            if Instant::now() > deadline {
                bail!("the event log never heard of it: {what}");
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn newest(&self) -> anyhow::Result<Option<i64>> {
        Ok(self.store.audit(1).await?.first().map(|row| row.id))
    }

    async fn conclude(&self, data: &Path, keep: bool) -> anyhow::Result<()> {
        println!("\nWho was at the door:");
        let mut rows = self.store.audit(50).await?;
        rows.reverse();
        for row in &rows {
            println!("  {}", history::sentence(row));
        }
        if keep {
            let Client { address, token } = &self.client;
            println!("\nStill serving. Try:");
            println!("  curl 'http://{address}/v1/history?token={token}'");
            println!("  sqlite3 {}/keyturner.db 'select * from audit order by id desc limit 5'", data.display());
            println!("ctrl-C ends it.");
        }
        Ok(())
    }
}

/// Prints every callback as it comes.
async fn listen_for_callbacks() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let receiver = Router::new().fallback(|body: Bytes| async move {
        println!("    callback: {}", String::from_utf8_lossy(&body));
    });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, receiver).await {
            eprintln!("keyturner: the demo's listener ended: {error}");
        }
    });
    Ok(address)
}

/// A client of the Bridge API, as simple as they come.
struct Client {
    address: SocketAddr,
    token: String,
}

impl Client {
    /// The body of a GET with the plain token.
    async fn get(&self, target: &str) -> anyhow::Result<String> {
        let joint = if target.contains('?') { '&' } else { '?' };
        let request = format!(
            "GET {target}{joint}token={} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.token, self.address
        );
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
            _ => bail!("the Bridge API answered {}", answer.lines().next().unwrap_or("nothing")),
        }
    }
}
