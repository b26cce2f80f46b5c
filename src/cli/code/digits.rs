//! The digits of a code: from a file, from a terminal that does not show them, or from standard input; never from the
//! command line, which everybody on the machine can read.

use std::fs::File;
use std::io::{IsTerminal, stdin};
use std::path::Path;

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use super::super::ask::{Unseen, secret, waiting};
use crate::protocol::users::CodeDigits;

pub(super) async fn read(file: Option<&Path>) -> anyhow::Result<Zeroizing<String>> {
    let text = match file {
        Some(path) => {
            let text = File::open(path).and_then(secret);
            text.with_context(|| format!("cannot read the digits from {}", path.display()))?
        }
        None if stdin().is_terminal() => waiting(ask).await?,
        None => secret(stdin()).context("cannot read the digits from standard input")?,
    };
    check(&text)
}

fn ask() -> anyhow::Result<Zeroizing<String>> {
    let mut terminal = Unseen::open().context("cannot ask for the digits at the terminal")?;
    let mut one = |prompt| terminal.ask(prompt).context("cannot ask for the digits at the terminal");
    let digits = one("Digits of the code (not shown): ")?;
    check(&digits)?;
    if one("Once more: ")?.trim() != digits.trim() {
        bail!("the second time they were others; nothing was changed");
    }
    Ok(digits)
}

/// The digits alone. What was read is not repeated: it may be a code with a typo.
fn check(text: &str) -> anyhow::Result<Zeroizing<String>> {
    let digits = text.trim();
    match CodeDigits::parse(digits) {
        Some(_) => Ok(Zeroizing::new(digits.to_owned())),
        None => bail!("a keypad code has six digits from 1 to 9 and does not begin with 12; give nothing else"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_alone_and_are_not_repeated_where_they_are_wrong() {
        assert_eq!(*check("968574\n").unwrap(), "968574");
        for text in ["", "12345", "968570", "129999", "+96857", "968574 475869", "9685741"] {
            let error = check(text).unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
