//! Clients, who ask until they know, and strangers, who try what they may not.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyturner::protocol::{LockAction, OpenerAction};
use keyturner::session::intent_suffix;

use super::door::column;
use super::front::{self, NEIGHBOUR, READER, REPLAYED_AFTER, Reply};
use super::life::Life;

/// A client asks again with the same key within this time.
const ASKED_AGAIN_WITHIN: Duration = Duration::from_secs(20 * 3_600);

/// A client's wish, asked for until it knows.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) door: usize,
    pub(crate) action: LockAction,
    pub(crate) at: Duration,
    pub(crate) times: u32,
    /// Answers that reached the client.
    pub(crate) answers: Vec<Reply>,
    /// How often the lock had done it when an answer came.
    pub(crate) done: Vec<u32>,
}

impl Life {
    /// A client asks for an action under a key of its own, or asks again.
    pub(crate) fn ask(&mut self, number: usize) {
        let Some(boot) = &mut self.boot else { return };
        let request = {
            let mut requests = self.requests.lock().unwrap();
            requests[number].times += 1;
            requests[number].clone()
        };
        let (front, machine) = (boot.front.clone(), boot.machine.clone());
        let (door, database) = (self.doors[request.door].door.clone(), self.database.clone());
        let is_opener = self.doors[request.door].is_opener;
        let (app_id, requests) = (self.doors[request.door].app_id, Arc::clone(&self.requests));
        let (loud, clock) = (self.plan.is_loud, self.clock);
        if loud {
            eprintln!(
                "{} client {number} asks for {} at door {}",
                clock.wall().rfc3339(),
                request.action,
                request.door
            );
        }
        boot.clients.spawn(async move {
            let name = format!("client {number}");
            let answer = front.act(door.nuki_id(), request.action, is_opener, &name).await;
            // The answer has to leave the machine.
            machine.step().await;
            let done = executions(&database, &name, |suffix| door.inspect(|lock| lock.executions(app_id, suffix)));
            if loud {
                eprintln!("{} {name} hears {answer:?}", clock.wall().rfc3339());
            }
            let mut requests = requests.lock().unwrap();
            requests[number].answers.push(answer);
            requests[number].done.push(done);
        });
    }

    pub(crate) fn new_request(&mut self, door: usize, action: LockAction) {
        let at = self.now();
        let request = Request { door, action, at, times: 0, answers: Vec::new(), done: Vec::new() };
        let number = {
            let mut requests = self.requests.lock().unwrap();
            requests.push(request);
            requests.len() - 1
        };
        if let Some(boot) = &self.boot {
            boot.front.add_client(number + 1);
        }
        self.ask(number);
    }

    /// A client asks with a credential that counts once, and somebody on the way sends the same again.
    pub(crate) fn ask_once(&mut self, door: usize, action: LockAction) {
        let rnr = self.dice.between(0, 65_535);
        let (again_after, last) = (self.dice.pick(&REPLAYED_AFTER), self.dice.between(2, 250));
        let nuki_id = self.doors[door].door.nuki_id();
        self.overheard.lock().unwrap().push(front::hashed(nuki_id, action, self.clock.wall(), rnr));
        let number = self.overheard.lock().unwrap().len() - 1;
        self.say(|| format!("a bridge client asks for {action} at door {door}"));
        let Some(boot) = &mut self.boot else { return };
        let first = (boot.front.clone(), Arc::clone(&self.overheard));
        let again = first.clone();
        let from = front::stranger(u8::try_from(last - 1).unwrap());
        boot.clients.spawn(async move { first.0.send(&first.1, number, from).await });
        let from = front::stranger(u8::try_from(last).unwrap());
        boot.clients.spawn(async move {
            tokio::time::sleep(again_after).await;
            again.0.send(&again.1, number, from).await;
        });
    }

    /// Somebody tries what they may not.
    pub(crate) fn a_stranger(&mut self, door: usize) {
        let last = u8::try_from(self.dice.between(2, 250)).unwrap();
        let (kind, action) = (self.dice.between(0, 3), self.dice.pick(&[LockAction::Unlock, LockAction::Unlatch]));
        let overheard = self.overheard.lock().unwrap().len() as u64;
        let number = usize::try_from(self.dice.between(0, overheard.max(1) - 1)).unwrap();
        let (nuki_id, is_opener) = (self.doors[door].door.nuki_id(), self.doors[door].is_opener);
        let Some(boot) = &mut self.boot else { return };
        self.findings.strangers += 1;
        let (front, overheard, let_in) = (boot.front.clone(), Arc::clone(&self.overheard), Arc::clone(&self.let_in));
        let from = front::stranger(last);
        let token = match kind {
            0 => "nobodys-token".to_owned(),
            1 => front::secret(READER),
            // Every other door is somebody else's.
            2 if door > 0 => front::secret(NEIGHBOUR),
            _ if number < overheard.lock().unwrap().len() => {
                boot.clients.spawn(async move { front.send(&overheard, number, from).await });
                return;
            }
            // What counts once counts in no other form.
            _ => front::hashed(nuki_id, action, self.clock.wall(), 1).path,
        };
        // An Opener's has another name, which it is not to come to.
        let action = if is_opener { OpenerAction::Open.command() } else { action };
        boot.clients.spawn(async move {
            let reply = front.act_as(nuki_id, action, is_opener, "a stranger's key", &token, from).await;
            if reply.is_admitted() {
                let_in.lock().unwrap().push(format!("stranger {kind} was answered {reply:?}"));
            }
        });
    }

    /// Whoever was not told what became of their wish asks again.
    pub(crate) fn ask_again(&mut self) {
        let now = self.now();
        let open: Vec<usize> = {
            let requests = self.requests.lock().unwrap();
            let known = |request: &Request| request.answers.last().is_some_and(Reply::is_done);
            let is_open =
                |request: &Request| !known(request) && now - request.at < ASKED_AGAIN_WITHIN && request.times < 5;
            (0..requests.len()).filter(|number| is_open(&requests[*number])).collect()
        };
        for number in open {
            if self.dice.chance(30) {
                self.ask(number);
            }
        }
    }
}

/// How often what a client asked for was done, under whichever numbers.
pub(crate) fn executions(database: &Path, client: &str, done: impl Fn(&str) -> u32) -> u32 {
    let ids: Vec<i64> = column(database, "select id from intents where requester = ?", [client]);
    ids.into_iter().map(|id| done(&intent_suffix(id))).sum()
}
