//! What goes wrong, when, and for how long.

use std::sync::atomic::Ordering;
use std::time::Duration;

use keyturner::protocol::crypto::Pin;
use keyturner::simlock::{Fault, Input, Owner, Person};
use keyturner::transport::{Link, Purpose, Transport, TransportErrorKind};
use rusqlite::Connection;

use super::life::Life;
use super::machine::End;
use super::receivers::Manner;

/// Something that lasts for a while.
#[derive(Debug)]
enum Trouble {
    /// Packets are lost.
    Loss,
    /// A lock is carried out of reach.
    Away(usize),
    /// The adapter is pulled out, or bluetoothd is gone.
    NoRadio,
    /// The owner has changed the PIN, and not told the gateway.
    WrongPin(usize, Pin),
    /// A lock writes no log.
    NoLog(usize),
    /// Nothing can be written.
    FullDisk,
    /// Each call takes up to some seconds.
    SlowDisk,
    /// Another program holds the database.
    Locked,
    /// Phones hold every link that a lock has.
    Occupied(usize, Vec<Link>),
    /// The bit of a lock's beacon stays set.
    Stuck(usize),
    /// The gateway is not running.
    Stopped,
}

/// What is wrong now, and until when.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    now: Vec<(Duration, Trouble)>,
    /// Something happens in this scene that is over behind it.
    is_passing: bool,
}

const NO_WRITES: [&str; 4] = ["events", "observations", "intents", "webhook_deliveries"];

impl Troubles {
    /// Before people come: some things get well, others go wrong.
    pub(crate) async fn change(&mut self, life: &mut Life) {
        life.revive().await;
        let now = life.now();
        let over: Vec<Trouble> = {
            let (over, left) = std::mem::take(&mut self.now).into_iter().partition(|(until, _)| *until <= now);
            self.now = left;
            let over: Vec<(Duration, Trouble)> = over;
            over.into_iter().map(|(_, trouble)| trouble).collect()
        };
        for trouble in over {
            heal(life, trouble).await;
        }
        self.is_passing = false;
        if life.dice.chance(60) {
            self.begin(life).await;
        }
    }

    /// Whether nothing is wrong but a receiver.
    pub(crate) const fn is_calm(&self) -> bool {
        self.now.is_empty() && !self.is_passing
    }

    /// A door that the gateway cannot reach, if there is one: this one, unless another is further away.
    fn unreachable(&self, door: usize) -> Option<usize> {
        self.now.iter().find_map(|(_, trouble)| match trouble {
            Trouble::Away(door) | Trouble::Occupied(door, _) => Some(*door),
            Trouble::NoRadio | Trouble::Stopped => Some(door),
            _ => None,
        })
    }

    /// Everything gets well.
    pub(crate) async fn end(&mut self, life: &mut Life) {
        life.revive().await;
        for (_, trouble) in std::mem::take(&mut self.now) {
            heal(life, trouble).await;
        }
        life.revive().await;
        life.stop_after(None, End::Kill);
        if !life.is_up() {
            life.start().await;
        }
        life.receivers.lock().unwrap().manners.clear();
    }

    async fn begin(&mut self, life: &mut Life) {
        let door = usize::try_from(life.dice.between(0, life.doors.len() as u64 - 1)).unwrap();
        let hours = life.dice.between(1, 12);
        let until = life.now() + Duration::from_secs(hours * 3_600);
        let is_on = |wanted: fn(&Trouble) -> bool| self.now.iter().any(|(_, trouble)| wanted(trouble));
        let trouble = match life.dice.between(0, 99) {
            0..20 => {
                let steps = if life.dice.chance(50) { life.dice.between(0, 60) } else { life.dice.between(0, 600) };
                let end = if life.dice.chance(60) { End::PowerCut } else { End::Kill };
                life.say(|| format!("the machine will stop after {steps} steps: {end:?}"));
                life.stop_after(Some(steps), end);
                self.is_passing = true;
                return;
            }
            20..33 => {
                let percent = u32::try_from(life.dice.between(1, 30)).unwrap();
                life.say(|| format!("{percent} % of all packets are lost"));
                life.radio.configure(|air| air.loss = f64::from(percent) / 100.0);
                Trouble::Loss
            }
            33..36 => {
                life.say(|| format!("door {door} is out of reach"));
                life.doors[door].door.set_in_range(false);
                Trouble::Away(door)
            }
            36..38 => {
                life.say(|| "another adapter is plugged in".to_owned());
                change_adapter(life);
                self.is_passing = true;
                return;
            }
            38..43 => {
                let kinds = [TransportErrorKind::NoAdapter, TransportErrorKind::ServiceUnavailable];
                let kind = life.dice.pick(&kinds);
                life.say(|| format!("no radio: {kind}"));
                life.plug.lock().unwrap().fault = Some(kind);
                life.radio.end_scans();
                for door in &life.doors {
                    door.door.drop_links();
                }
                Trouble::NoRadio
            }
            43..48 => {
                self.is_passing = true;
                return clocks(life, door);
            }
            48..52 if !is_on(|trouble| matches!(trouble, Trouble::WrongPin(..))) => {
                // An Ultra's PIN has six digits.
                let pin = Pin::new(life.locks[door].pin.map_or(1, |pin| pin.expose()) + 1);
                life.say(|| format!("the owner changes the PIN of door {door}"));
                life.doors[door].look(&life.database);
                life.doors[door].door.input(Input::Owner(Owner::Pin(pin)));
                Trouble::WrongPin(door, pin)
            }
            52..54 if self.now.is_empty() => {
                life.say(|| format!("the log of door {door} is cleared"));
                life.doors[door].clear(&life.database);
                life.wake();
                life.wait(Duration::from_secs(61)).await;
                life.somebody_passes(door).await;
                self.is_passing = true;
                return;
            }
            // Nobody sees it, and it may be longer than it was before somebody looks.
            52..54 => {
                if let Some(door) = self.unreachable(door) {
                    life.say(|| format!("the log of door {door} is cleared behind the gateway's back"));
                    life.doors[door].clear(&life.database);
                }
                return;
            }
            54..57 => {
                life.say(|| format!("the log of door {door} is switched off"));
                life.doors[door].look(&life.database);
                life.doors[door].door.input(Input::Owner(Owner::Logging(false)));
                life.doors[door].is_forgetful = true;
                Trouble::NoLog(door)
            }
            57..59 if !is_on(|trouble| matches!(trouble, Trouble::FullDisk | Trouble::Locked)) => {
                life.say(|| "nothing can be written".to_owned());
                no_writes(life, true);
                Trouble::FullDisk
            }
            59..63 if life.is_up() && !is_on(|trouble| matches!(trouble, Trouble::FullDisk | Trouble::Locked)) => {
                let seconds = life.dice.between(1, 60);
                let is_short = life.dice.chance(50);
                life.say(|| {
                    let time = if is_short { format!("{seconds} s") } else { format!("{hours} h") };
                    format!("another program holds the database for {time}")
                });
                let later = Duration::from_secs(life.dice.between(0, 100));
                life.hold_database(later, is_short.then(|| Duration::from_secs(seconds)));
                if is_short {
                    self.is_passing = true;
                    return;
                }
                Trouble::Locked
            }
            63..65 => {
                let seconds = life.dice.between(1, 4);
                life.say(|| format!("the disk takes up to {seconds} s"));
                life.set_slow(Duration::from_secs(seconds));
                Trouble::SlowDisk
            }
            65..75 => {
                let manner = life.dice.pick(&Manner::ALL);
                life.say(|| format!("the bad receiver is {manner:?}"));
                life.receivers.lock().unwrap().manners.insert("bad".to_owned(), manner);
                return;
            }
            75..78 => {
                life.say(|| format!("phones hold every link of door {door}"));
                Trouble::Occupied(door, occupy(life, door).await)
            }
            78..87 => {
                self.is_passing = true;
                return inside(life, door);
            }
            87..89 => {
                life.say(|| format!("the beacon of door {door} stays set"));
                life.doors[door].door.fault(Fault::StuckBeacon(true));
                Trouble::Stuck(door)
            }
            89..92 => {
                life.stop().await;
                Trouble::Stopped
            }
            _ => {
                self.is_passing = true;
                return names(life, door).await;
            }
        };
        self.now.push((until, trouble));
    }
}

async fn heal(life: &mut Life, trouble: Trouble) {
    life.say(|| format!("well again: {trouble:?}"));
    // What these kept the gateway from is read first.
    life.is_behind |= !matches!(trouble, Trouble::Loss | Trouble::Stuck(_) | Trouble::SlowDisk);
    match trouble {
        Trouble::Loss => life.radio.configure(|air| air.loss = 0.0),
        Trouble::Away(door) => life.doors[door].door.set_in_range(true),
        Trouble::NoRadio => {
            if life.dice.chance(50) {
                life.say(|| "it is another adapter".to_owned());
                change_adapter(life);
            }
            life.plug.lock().unwrap().fault = None;
        }
        Trouble::WrongPin(door, pin) => life.set_pin(door, pin).await,
        Trouble::NoLog(door) => {
            life.doors[door].door.input(Input::Owner(Owner::Logging(true)));
        }
        Trouble::FullDisk => no_writes(life, false),
        Trouble::Locked => life.release_database(),
        Trouble::SlowDisk => life.set_slow(Duration::ZERO),
        Trouble::Occupied(_, links) => {
            for link in links {
                link.writer.disconnect().await.ok();
            }
        }
        Trouble::Stuck(door) => life.doors[door].door.fault(Fault::StuckBeacon(false)),
        Trouble::Stopped if !life.is_up() => life.start().await,
        Trouble::Stopped => {}
    }
}

/// Another program makes every insert fail, or no longer does. As a full disk does: the transaction fails as a whole.
fn no_writes(life: &Life, is_on: bool) {
    let connection = Connection::open(&life.database).unwrap();
    for table in NO_WRITES {
        let statement = if is_on {
            format!(
                "create trigger if not exists no_{table} before insert on {table}
                 begin select raise(abort, 'database or disk is full'); end"
            )
        } else {
            format!("drop trigger if exists no_{table}")
        };
        connection.execute_batch(&statement).unwrap();
    }
}

/// Whatever the adapter before knew and did is gone with it.
fn change_adapter(life: &Life) {
    life.plug.lock().unwrap().change();
    life.radio.change_controller();
}

async fn occupy(life: &Life, door: usize) -> Vec<Link> {
    let lock = &life.doors[door].door;
    let mut links = Vec::new();
    for _ in 0..4 {
        links.extend(life.radio.connect(lock.address(), Purpose::Daily).await.ok());
    }
    links
}

/// The host's clock or a lock's jumps, or the lock's zone changes.
fn clocks(life: &mut Life, door: usize) {
    let two_hours = 2 * 3_600;
    match life.dice.between(0, 2) {
        0 => {
            let seconds = i64::try_from(life.dice.between(0, 2 * two_hours)).unwrap() - 7_200;
            life.say(|| format!("the host's clock is wrong by {seconds} s"));
            life.jump.store(seconds * 1_000, Ordering::Relaxed);
        }
        1 => {
            let seconds = i64::try_from(life.dice.between(0, 2 * two_hours)).unwrap() - 7_200;
            life.say(|| format!("the clock of door {door} is wrong by {seconds} s"));
            let at = life.clock.wall().seconds() + seconds;
            life.doors[door].set_clock(at, &life.database);
        }
        _ => {
            life.zone = if life.zone == 60 { 120 } else { 60 };
            let zone = life.zone;
            life.say(|| format!("the zone of all locks is {zone} minutes"));
            let at = life.clock.wall().seconds() + i64::from(zone) * 60;
            for door in &mut life.doors {
                door.door.input(Input::SetZone(zone));
                door.set_clock(at, &life.database);
            }
        }
    }
}

/// Something goes wrong inside a lock, once.
fn inside(life: &mut Life, door: usize) {
    let fault = life.dice.pick(&[
        Fault::DropAfterAccepted,
        Fault::IgnoreNextWrite,
        Fault::MuteNextAnswer,
        Fault::DuplicateAccepted,
        Fault::CompleteWithoutAccepted,
        Fault::SwallowLogEntry,
        Fault::LogPadding(true),
        Fault::ShortList,
        Fault::RepeatEntry,
    ]);
    life.say(|| format!("door {door}: {fault:?}"));
    if fault == Fault::SwallowLogEntry {
        life.doors[door].is_forgetful = true;
    }
    life.doors[door].door.fault(fault);
}

/// Names change, and numbers get other people; now and then behind a deed that the gateway reads afterwards.
async fn names(life: &mut Life, door: usize) {
    let number = life.now().as_secs();
    let (code, digits) = life.dice.pick(&life.doors[door].codes);
    let phone = life.dice.pick(&life.doors[door].phones);
    let what = life.dice.between(0, 2);
    let is_up = life.is_up();
    let is_unread = life.dice.chance(60);
    if is_unread {
        life.stop().await;
        let person = if what == 0 { Person::keypad(digits) } else { life.by_phone(door, phone) };
        life.act_and_rest(door, person).await;
        let pause = life.dice.pick(&[1, 30, 1_800]);
        life.wait(Duration::from_secs(pause)).await;
    }
    let database = life.database.clone();
    match what {
        0 => {
            life.say(|| format!("door {door}: code {code} is renamed"));
            life.doors[door].rename_code(code, &format!("Code {number}"), &database);
        }
        1 => {
            life.say(|| format!("door {door}: phone {phone} is renamed"));
            life.doors[door].rename_user(phone, &format!("Phone {number}"), &database);
        }
        _ => {
            life.say(|| format!("door {door}: the number of phone {phone} is somebody else's"));
            life.doors[door].replace_user(phone, &format!("New {number}"), &database);
        }
    }
    if is_unread && is_up {
        life.start().await;
    }
}
