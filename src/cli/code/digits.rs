//! The digits of a code: from a file, from a terminal that does not show them, or from standard input; never from the
//! command line, which everybody on the machine can read.

use std::fs::File;
use std::io::{IsTerminal, Read, stdin};
use std::path::Path;

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use super::super::ask::Unseen;
use crate::protocol::users::CodeDigits;

/// More than six digits and the end of a line need.
const MOST: u64 = 64;

pub(super) fn read(file: Option<&Path>) -> anyhow::Result<Zeroizing<String>> {
    let text = match file {
        Some(path) => {
            let file = File::open(path).with_context(|| format!("cannot read the digits from {}", path.display()))?;
            all(file).with_context(|| format!("cannot read the digits from {}", path.display()))?
        }
        None if stdin().is_terminal() => ask()?,
        None => all(stdin()).context("cannot read the digits from standard input")?,
    };
    check(&text)
}

fn all(from: impl Read) -> std::io::Result<Zeroizing<String>> {
    // As large as it gets, so that growing leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(MOST as usize));
    from.take(MOST).read_to_string(&mut text)?;
    Ok(text)
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
    let is_good = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse().ok().filter(|_| is_good).and_then(CodeDigits::new) {
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
