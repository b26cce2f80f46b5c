//! A simulated lock, served to a radio and to people.
//!
//! The radio is a real adapter (`air`), or whoever connects to the radio socket,
//! which speaks JSON lines (`wire.rs`), such as a peripheral on a virtual adapter. Either does what
//! the lock says and decides nothing (`radio.rs`). The control socket takes one command a line (`control.rs`) and lets a test
//! or a visitor be the people at the door.

mod air;
mod control;
mod lines;
mod radio;
mod server;
mod wire;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::protocol::crypto::Pin;
use crate::protocol::gatt::Generation;
use crate::simlock::{Device, SimLock, SimLockConfig};
use crate::transport::TransportError;

use lines::Lines;
use radio::{FromRadio, ToRadio};
use server::Server;

/// Events from all clients that may wait.
const EVENT_QUEUE: usize = 64;
/// Clients of the control socket at the same time.
const MAX_CONTROL_CLIENTS: usize = 16;
/// A radio that lets so many messages wait is dropped. A whole log in 20-byte pieces is sent one by one, so it needs few.
const RADIO_QUEUE: usize = 256;

/// What is the lock's radio.
#[derive(Debug, Clone)]
pub enum SimRadio {
    /// Whoever connects to this socket.
    Socket(PathBuf),
    /// This Bluetooth adapter, such as `hci1`.
    Adapter(String),
}

/// How to serve a simulated lock.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// What is its radio.
    pub radio: SimRadio,
    /// Socket for commands.
    pub control: PathBuf,
    /// Number of the lock.
    pub nuki_id: u32,
    /// Which device.
    pub device: Device,
    /// Security PIN; `None` for the device's own.
    pub pin: Option<u32>,
    /// Equal seeds give equal locks; `None` for one that never was.
    pub seed: Option<u64>,
}

impl SimOptions {
    /// Smart Lock 3 0A1B2C3D with PIN 1234, whose radio connects to a socket.
    #[must_use]
    pub fn new(radio: impl Into<PathBuf>, control: impl Into<PathBuf>) -> Self {
        Self {
            radio: SimRadio::Socket(radio.into()),
            control: control.into(),
            nuki_id: 0x0A1B_2C3D,
            device: Device::SmartLock3,
            pin: None,
            seed: None,
        }
    }
}

/// Reads the name of a device.
pub(super) fn parse_device(text: &str) -> Result<Device, String> {
    Device::from_name(text).ok_or_else(|| format!("one of {}", Device::ALL.map(Device::name).join(", ")))
}

/// Serves until the task is dropped. The house is [`SimLockConfig::family`].
///
/// # Errors
/// When a socket cannot be made or is in use by another process, the device takes no such PIN, or the adapter cannot be
/// served on at the start; later it is waited for.
pub async fn serve(options: SimOptions) -> anyhow::Result<()> {
    let device = options.device;
    let max_pin = if device.generation() == Generation::Gen5 { 999_999 } else { 9999 };
    anyhow::ensure!(options.pin.is_none_or(|pin| pin <= max_pin), "the highest PIN of this device is {max_pin}");
    let (radio, adapter) = match options.radio {
        SimRadio::Socket(path) => (Some(Socket::bind(&path).await?), None),
        SimRadio::Adapter(name) => (None, Some(name)),
    };
    let control = Socket::bind(&options.control).await?;
    let config = SimLockConfig {
        pin: options.pin.map_or(device.pin(), Pin::new),
        ..SimLockConfig::family_of(device, options.nuki_id)
    };
    let lock = SimLock::new(config, seed(options.seed)?);
    let clock = Clock::system();
    let mut server = Server::new(lock, clock);
    let (events, mut incoming) = mpsc::channel(EVENT_QUEUE);
    let seats = Arc::new(Semaphore::new(MAX_CONTROL_CLIENTS));
    let mut next_radio = 1;
    let mut air = pin!(on_the_air(adapter, device.generation(), events.clone()));
    loop {
        let due = server.next_timeout().map(|at| clock.instant(at));
        tokio::select! {
            accepted = accept(radio.as_ref()) => {
                let stream = accepted.context("the radio socket failed")?;
                admit_radio(&mut server, next_radio, stream, events.clone());
                next_radio += 1;
            }
            accepted = control.listener.accept() => {
                let (stream, _) = accepted.context("the control socket failed")?;
                // Without a free seat the stream is dropped, which closes it.
                if let Ok(seat) = Arc::clone(&seats).try_acquire_owned() {
                    let client = control_client(stream, events.clone());
                    tokio::spawn(async move {
                        client.await;
                        drop(seat);
                    });
                }
            }
            error = &mut air => return Err(error.into()),
            Some(event) = incoming.recv() => handle(&mut server, event),
            () = sleep_until(due) => server.tick(),
        }
    }
}

/// Something that a client said or did.
#[derive(Debug)]
enum Event {
    RadioCame(u64, mpsc::Sender<ToRadio>),
    Radio(u64, Result<FromRadio, String>),
    RadioGone(u64),
    Control(String, oneshot::Sender<String>),
}

fn handle(server: &mut Server, event: Event) {
    match event {
        Event::RadioCame(radio, messages) => server.radio_came(radio, messages),
        Event::Radio(radio, message) => server.radio_says(radio, message),
        Event::RadioGone(radio) => server.radio_gone(radio),
        Event::Control(line, reply) => {
            let answer = control::answer(server, &line).to_string();
            // A client that left before its answer does not need it.
            let _ = reply.send(answer);
        }
    }
}

/// The next radio at the socket, where there is one.
async fn accept(radio: Option<&Socket>) -> std::io::Result<UnixStream> {
    match radio {
        Some(socket) => socket.listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

/// Ends only if the adapter cannot be served on at the start.
async fn on_the_air(adapter: Option<String>, generation: Generation, events: mpsc::Sender<Event>) -> TransportError {
    match adapter {
        Some(adapter) => match air::keep(&adapter, generation, events).await {
            Err(error) => error,
        },
        None => std::future::pending().await,
    }
}

fn admit_radio(server: &mut Server, radio: u64, stream: UnixStream, events: mpsc::Sender<Event>) {
    let (sender, mut to_radio) = mpsc::channel(RADIO_QUEUE);
    let (mut lines, mut writer) = lines::split(stream);
    let wire = server.wire();
    server.radio_came(radio, sender);
    tokio::spawn(async move {
        // Ends when the server lets go of the radio.
        while let Some(message) = to_radio.recv().await {
            if lines::write(&mut writer, &wire.line(message)).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some(line) = lines.next().await {
            if events.send(Event::Radio(radio, wire.parse(&line))).await.is_err() {
                return;
            }
        }
        // The server is gone only if the whole task is.
        let _ = events.send(Event::RadioGone(radio)).await;
    });
}

async fn control_client(stream: UnixStream, events: mpsc::Sender<Event>) {
    let (mut lines, mut writer): (Lines, _) = lines::split(stream);
    while let Some(line) = lines.next().await {
        let (reply, answer) = oneshot::channel();
        if events.send(Event::Control(line, reply)).await.is_err() {
            return;
        }
        let Ok(answer) = answer.await else { return };
        if lines::write(&mut writer, &answer).await.is_err() {
            return;
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn seed(wanted: Option<u64>) -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    match wanted {
        Some(number) => seed.iter_mut().zip(number.to_le_bytes()).for_each(|(slot, byte)| *slot = byte),
        None => getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?,
    }
    Ok(seed)
}

/// A listening socket whose file goes with it.
#[derive(Debug)]
struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    async fn bind(path: &Path) -> anyhow::Result<Self> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                if UnixStream::connect(path).await.is_ok() {
                    anyhow::bail!("{} is in use by another process", path.display());
                }
                // Nobody listens: a file left behind. What is no socket is not ours to remove.
                let kind = std::fs::symlink_metadata(path).map(|meta| meta.file_type());
                if !kind.is_ok_and(|kind| std::os::unix::fs::FileTypeExt::is_socket(&kind)) {
                    anyhow::bail!("{} exists and is no socket", path.display());
                }
                std::fs::remove_file(path)
                    .with_context(|| format!("cannot remove the stale socket {}", path.display()))?;
                UnixListener::bind(path)
            }
            other => other,
        };
        let listener = listener.with_context(|| format!("cannot listen on {}", path.display()))?;
        Ok(Self { listener, path: path.to_owned() })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        let _ = std::fs::remove_file(&self.path);
    }
}
