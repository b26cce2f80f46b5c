//! What is wrong with a configuration, where, and what was probably meant.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    place: Place,
    what: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Variable(String),
    File(Spot),
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    path: PathBuf,
    /// Both from 1; a column is a character.
    pub(super) line: usize,
    column: usize,
    text: String,
    width: usize,
}

impl Spot {
    /// The bytes of `span` in `text`, which is what stands in the file at `path`.
    pub(super) fn find(path: &Path, text: &str, span: &Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
        // What is wrong may begin with the line's end itself, `\r` included.
        let line_end = (line_start + line.len()).max(start);
        let shown = text.get(start..span.end.clamp(start, line_end)).unwrap_or_default();
        Self {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            // A tab is one column here and several on a screen.
            text: line.replace('\t', " "),
            width: shown.chars().count().max(1),
        }
    }
}

impl Fault {
    pub(super) fn in_file(spot: Spot, what: impl Into<String>) -> Self {
        Self { place: Place::File(spot), what: what.into() }
    }

    pub(super) fn in_variable(name: &str, what: impl Into<String>) -> Self {
        Self { place: Place::Variable(name.to_owned()), what: what.into() }
    }

    /// Where it stands, for an order in which people read.
    pub(super) fn order(&self) -> (usize, usize) {
        match &self.place {
            Place::File(spot) => (spot.line, spot.column),
            Place::Variable(_) => (usize::MAX, 0),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.what;
        match &self.place {
            Place::Variable(name) => write!(f, "{name} in the environment: {what}"),
            Place::File(Spot { path, line, column, text, width }) => {
                let gutter = " ".repeat(line.to_string().len());
                let (blank, caret) = (" ".repeat(column - 1), "^".repeat(*width));
                write!(
                    f,
                    "{}:{line}:{column}: {what}\n{gutter} |\n{line} | {text}\n{gutter} | {blank}{caret}",
                    path.display()
                )
            }
        }
    }
}

/// Everything that is wrong, in the order of the file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub(super) Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "{one}"),
            several => {
                write!(f, "{} things", several.len())?;
                several.iter().try_for_each(|fault| write!(f, "\n\n{fault}"))
            }
        }
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_line_column_and_caret_whatever_stands_before_it() {
        let text = "a = 1\n# ä\n\tb = \"ü\" x\n";
        let at = |what: &str| text.find(what).map(|start| start..start + what.len()).unwrap_or_default();
        let spot = Spot::find(Path::new("f"), text, &at("x"));
        assert_eq!((spot.line, spot.column, spot.width), (3, 10, 1));
        assert_eq!(
            Fault::in_file(Spot::find(Path::new("f"), text, &at("\"ü\"")), "no").to_string(),
            "f:3:6: no\n  |\n3 |  b = \"ü\" x\n  |      ^^^"
        );
        for span in [0..0, 5..900, 900..901, text.len()..text.len()] {
            assert!(Spot::find(Path::new("f"), text, &span).line >= 1);
        }
    }
}
