//! Tables whose columns stand straight, whatever the names in them are made of (`docs/adr/0042`).

use std::io::Write;

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::{HEAD, terminal_width, written};
use crate::cli::tame;

/// Between two columns.
const GAP: usize = 2;
/// No column gets narrower than this.
const LEAST: usize = 8;

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Fit {
    /// At its left, as wide as its widest cell.
    Left,
    /// Numbers.
    Right,
    /// At its left, and cut where the terminal is too narrow for the whole.
    Cut,
}

/// One cell: tamed text, and how it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(in crate::cli) fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { text: tame(text.as_ref()), style }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

/// A table. Rows that come after it was printed keep to its columns.
#[derive(Debug)]
pub(in crate::cli) struct Table<const COLUMNS: usize> {
    heads: [&'static str; COLUMNS],
    fits: [Fit; COLUMNS],
    widths: [usize; COLUMNS],
    rows: Vec<[Cell; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(in crate::cli) fn new(columns: [(&'static str, Fit); COLUMNS]) -> Self {
        let heads = columns.map(|(head, _)| head);
        Self { heads, fits: columns.map(|(_, fit)| fit), widths: heads.map(UnicodeWidthStr::width), rows: Vec::new() }
    }

    pub(in crate::cli) fn row(&mut self, cells: [Cell; COLUMNS]) {
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.text.width());
        }
        self.rows.push(cells);
    }

    /// Heads and rows, fitted to the terminal.
    ///
    /// # Errors
    /// As [`say`](super::say).
    pub(in crate::cli) fn print(&self) -> anyhow::Result<()> {
        let widths = self.fitted(terminal_width());
        put(&self.line(&self.heads.map(|head| Cell::styled(head, HEAD)), &widths))?;
        self.print_rows()
    }

    /// The rows alone.
    ///
    /// # Errors
    /// As [`say`](super::say).
    pub(in crate::cli) fn print_rows(&self) -> anyhow::Result<()> {
        let widths = self.fitted(terminal_width());
        self.rows.iter().try_for_each(|row| put(&self.line(row, &widths)))
    }

    /// Forgets the rows, and keeps how wide they were.
    pub(in crate::cli) fn clear(&mut self) {
        self.rows.clear();
    }

    /// How wide each column may be, so that a row fits into a line of `limit` columns, as far as it can be made to.
    fn fitted(&self, limit: Option<usize>) -> [usize; COLUMNS] {
        let mut widths = self.widths;
        let Some(limit) = limit else { return widths };
        let total = widths.iter().sum::<usize>() + GAP * COLUMNS.saturating_sub(1);
        let mut excess = total.saturating_sub(limit);
        while excess > 0 {
            // The widest first, so that no column vanishes for another one.
            let cut = widths.iter_mut().zip(&self.fits).filter(|(width, fit)| **fit == Fit::Cut && **width > LEAST);
            let Some((widest, _)) = cut.max_by_key(|(width, _)| **width) else { break };
            *widest -= 1;
            excess -= 1;
        }
        widths
    }

    fn line(&self, cells: &[Cell; COLUMNS], widths: &[usize; COLUMNS]) -> String {
        let mut line = String::new();
        // Blanks are kept back until something follows them, so that none stands at the end of a line.
        let mut blanks = 0;
        for ((cell, width), fit) in cells.iter().zip(widths).zip(&self.fits) {
            let text = cut(&cell.text, *width);
            let rest = width.saturating_sub(text.width());
            let (before, after) = if *fit == Fit::Right { (rest, 0) } else { (0, rest) };
            if !text.is_empty() {
                let style = cell.style;
                line.extend(std::iter::repeat_n(' ', blanks + before));
                line.push_str(&format!("{style}{text}{style:#}"));
                blanks = 0;
            } else {
                blanks += before;
            }
            blanks += after + GAP;
        }
        line
    }
}

fn put(line: &str) -> anyhow::Result<()> {
    written(writeln!(anstream::stdout().lock(), "{line}"))
}

/// As much of a text as is so wide; an ellipsis says that something was left out.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    // The width of a text is not the sum of its characters': some join with the one before. So whole beginnings count.
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end =
        std::iter::once(0).chain(ends).take_while(|end| text.get(..*end).is_some_and(|t| t.width() <= room)).last();
    format!("{}\u{2026}", text.get(..end.unwrap_or(0)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rows: &[[&str; 3]], limit: Option<usize>) -> Vec<String> {
        let mut table = Table::new([("NAME", Fit::Cut), ("COUNT", Fit::Right), ("WHAT", Fit::Cut)]);
        rows.iter().for_each(|row| table.row(row.map(Cell::from)));
        let widths = table.fitted(limit);
        std::iter::once(&table.heads.map(Cell::from)).chain(&table.rows).map(|row| table.line(row, &widths)).collect()
    }

    #[test]
    fn columns_stand_straight_whatever_names_are_made_of() {
        let rows = [
            ["Haust\u{fc}r", "1", "x"],
            // The same with a combining mark.
            ["Haustu\u{308}r", "22", "x"],
            // Twice as wide each.
            ["\u{7384}\u{95a2}", "333", "x"],
            ["\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}", "4", ""],
            ["", "", "x"],
        ];
        let lines = lines(&rows, None);
        assert_eq!(lines[0], "NAME     COUNT  WHAT");
        for (line, row) in lines[1..].iter().zip(rows).filter(|(_, row)| row[2] == "x") {
            let before = line.strip_suffix('x').unwrap_or_default();
            assert_eq!(before.width(), 16, "{row:?}: {line:?}");
        }
        assert!(lines.iter().all(|line| line.trim_end() == line), "no blanks at the end: {lines:?}");
    }

    #[test]
    fn nothing_in_a_cell_steers_the_terminal_or_breaks_the_line() {
        let lines = lines(&[["A\u{1b}[2J\n\u{202e}B\u{9b}1m", "1", "\r\tx"]], None);
        assert!(
            lines.iter().all(|line| !line.chars().any(char::is_control) && !line.contains('\u{202e}')),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn the_widest_is_cut_until_a_row_fits_and_never_within_a_character() {
        let rows = [[
            "\u{7384}\u{95a2}\u{7384}\u{95a2}\u{7384}\u{95a2}\u{7384}\u{95a2}",
            "12345",
            "what somebody did there once",
        ]];
        for limit in 25..70 {
            let lines = lines(&rows, Some(limit));
            assert!(lines.iter().all(|line| line.width() <= limit), "{limit}: {lines:?}");
        }
        let narrow = lines(&rows, Some(10));
        assert!(narrow[1].contains("12345"), "a number is never cut: {narrow:?}");
        assert_eq!(lines(&rows, Some(80)), lines(&rows, None));
        assert_eq!(cut("abc", 2), "a\u{2026}");
        assert_eq!(cut("\u{7384}b", 2), "\u{2026}");
    }

    #[test]
    fn rows_that_come_later_keep_to_the_columns() {
        let mut table = Table::new([("A", Fit::Left), ("B", Fit::Left)]);
        table.row(["wide enough", "x"].map(Cell::from));
        table.clear();
        table.row(["a", "b"].map(Cell::from));
        assert_eq!(table.line(&table.rows[0], &table.fitted(None)), "a            b");
    }
}
