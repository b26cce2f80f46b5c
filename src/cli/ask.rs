//! Asking whoever sits at the terminal, and reading what they put elsewhere instead. Questions go to the terminal itself,
//! so that output can be piped.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write, stderr, stdin};
use std::sync::{Mutex, Once, PoisonError};

use anyhow::{Context, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::pin::is_pin;

/// A typo is forgiven so often.
const TRIES: u32 = 3;
/// Far more bytes than a PIN or a code and a line's end. It is room from the start, so that growing leaves no copy behind.
const LONGEST: usize = 64;
/// What a shell adds to the number of the signal that ended a program.
const ENDED_BY_SIGNAL: i32 = 128;

/// Whether there is anybody to ask.
pub(super) fn is_possible() -> bool {
    stdin().is_terminal()
}

/// Whether they typed this word, without which nothing is done.
pub(super) async fn is_typed(word: &'static str) -> anyhow::Result<bool> {
    if !is_possible() {
        bail!("nobody can be asked here; give --yes if this is what you want");
    }
    waiting(move || Ok(line(&format!("Type \"{word}\" to go on: "))? == word)).await
}

/// One of so many, counted from 0.
pub(super) async fn which(count: usize) -> anyhow::Result<usize> {
    waiting(move || {
        for _ in 0..TRIES {
            let answer = line(&format!("Which one? 1 to {count}: "))?;
            if let Some(number) = answer.parse::<usize>().ok().filter(|number| (1..=count).contains(number)) {
                return Ok(number - 1);
            }
        }
        bail!("that was none of them")
    })
    .await
}

/// The digits of a PIN, which the terminal does not show; `None` if nothing was typed.
pub(super) async fn digits(what: String) -> anyhow::Result<Option<Zeroizing<String>>> {
    waiting(move || typed_digits(&what)).await
}

/// Asks on a thread of its own: people are slow, and signals and the radio are heard meanwhile.
pub(super) async fn waiting<T: Send + 'static>(
    ask: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(ask).await.context("the question broke off")?
}

fn typed_digits(what: &str) -> anyhow::Result<Option<Zeroizing<String>>> {
    const WITHOUT: &str = "the PIN cannot be asked for at this terminal; give it with --pin-file";
    let mut terminal = Unseen::open().context(WITHOUT)?;
    for _ in 0..TRIES {
        let typed = terminal.ask(&format!("{what}: ")).context(WITHOUT)?;
        match typed.trim() {
            "" => return Ok(None),
            text if is_pin(text) => return Ok(Some(Zeroizing::new(text.to_owned()))),
            _ => eprintln!("A security PIN has 4 digits, or 6 for a 5th-generation lock."),
        }
    }
    bail!("that was no security PIN")
}

/// A secret of one line, read to its end.
pub(super) fn secret(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(LONGEST));
    from.take(LONGEST as u64).read_to_string(&mut text)?;
    Ok(text)
}

fn line(question: &str) -> anyhow::Result<String> {
    write!(stderr(), "{question}").context("cannot ask")?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(answer.trim().to_owned())
}

/// The terminal, which does not show what is typed as long as this lives.
pub(super) struct Unseen {
    file: File,
}

/// The terminal as it was before, while it does not show what is typed.
static HIDING: Mutex<Option<(File, Termios)>> = Mutex::new(None);

impl Unseen {
    pub(super) fn open() -> io::Result<Self> {
        let file = File::options().read(true).write(true).open("/dev/tty")?;
        // Before it hides anything: whoever gives up with ctrl-C wants to see again what they type.
        static WATCHED: Once = Once::new();
        let mut watched = Ok(());
        WATCHED.call_once(|| watched = watch());
        watched?;
        let before = tcgetattr(&file)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        *HIDING.lock().unwrap_or_else(PoisonError::into_inner) = Some((file.try_clone()?, before));
        let hidden = Self { file };
        // Before anything is asked: whoever pastes is fast. What was typed too early was shown, and is dropped.
        tcsetattr(&hidden.file, OptionalActions::Flush, &quiet)?;
        Ok(hidden)
    }

    pub(super) fn ask(&mut self, prompt: &str) -> io::Result<Zeroizing<String>> {
        self.file.write_all(prompt.as_bytes())?;
        let mut line = Zeroizing::new(String::with_capacity(LONGEST));
        let mut byte = Zeroizing::new([0]);
        while line.len() < LONGEST && self.file.read(&mut *byte)? == 1 && byte[0] != b'\n' {
            line.push(char::from(byte[0]));
        }
        self.file.write_all(b"\n")?;
        Ok(line)
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        show_again();
    }
}

/// Whether the terminal hid what was typed, which it does no longer.
fn show_again() -> bool {
    let Some((file, before)) = HIDING.lock().unwrap_or_else(PoisonError::into_inner).take() else { return false };
    // There is nothing better to do where this fails.
    tcsetattr(&file, OptionalActions::Now, &before).ok();
    true
}

/// Has whatever ends this process put the terminal back first.
fn watch() -> io::Result<()> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
    for kind in kinds {
        let mut signals = signal(kind)?;
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                if show_again() {
                    writeln!(stderr()).ok();
                }
                // As the shell counts it. A handler, once there, stays, so it ends the process also when nothing is hidden.
                std::process::exit(ENDED_BY_SIGNAL + kind.as_raw_value());
            }
        });
    }
    Ok(())
}
