//! Asking whoever sits at the terminal. Questions go to the terminal itself, so that output can be piped.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use super::pin::is_pin;

/// A typo is forgiven so often.
const TRIES: u32 = 3;

/// Whether there is anybody to ask.
pub(super) fn is_possible() -> bool {
    stdin().is_terminal()
}

/// Whether they typed this word, without which nothing is done.
pub(super) fn is_typed(word: &str) -> anyhow::Result<bool> {
    if !is_possible() {
        bail!("nobody can be asked here; give --yes if this is what you want");
    }
    Ok(line(&format!("Type \"{word}\" to go on: "))? == word)
}

/// One of so many, counted from 0.
pub(super) fn which(count: usize) -> anyhow::Result<usize> {
    for _ in 0..TRIES {
        let answer = line(&format!("Which one? 1 to {count}: "))?;
        if let Some(number) = answer.parse::<usize>().ok().filter(|number| (1..=count).contains(number)) {
            return Ok(number - 1);
        }
    }
    bail!("that was none of them")
}

/// The digits of a PIN, which the terminal does not show; `None` if nothing was typed.
pub(super) fn digits(what: &str) -> anyhow::Result<Option<Zeroizing<String>>> {
    for _ in 0..TRIES {
        let typed = rpassword::prompt_password(format!("{what}: ")).map(Zeroizing::new);
        let typed = typed.context("the PIN cannot be asked for at this terminal; give it with --pin-file")?;
        match typed.trim() {
            "" => return Ok(None),
            text if is_pin(text) => return Ok(Some(Zeroizing::new(text.to_owned()))),
            _ => eprintln!("A security PIN has 4 digits, or 6 for a 5th-generation lock."),
        }
    }
    bail!("that was no security PIN")
}

fn line(question: &str) -> anyhow::Result<String> {
    write!(stderr(), "{question}").context("cannot ask")?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(answer.trim().to_owned())
}
