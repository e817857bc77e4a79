//! Small forms of text that commands share.

use std::{io::Write, time::Duration};

use super::Failure;
use crate::app::terminal::plain;

/// Writes to stdout what a person reads; what upstreams wrote in it does nothing to a terminal.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    print_as_it_is(&plain(text))
}

/// Writes to stdout what programs read and nobody but the definition's author wrote. A reader that
/// went away (`hayloft print | head`) is no failure.
pub(super) fn print_as_it_is(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::work(format!("error: cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// What is said of a field whose index is not there yet.
pub(super) fn index_waits(field: &str) -> String {
    format!(
        "{field}: its index is still to be built, beside whoever reads and writes; `serve` and `harvest` do it, and answers \
         are right without it"
    )
}

/// `1 type`, `2 types`, `3 fetches`, `4 processes`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let plural = match number {
        1 => return format!("1 {noun}"),
        _ if noun.ends_with("ch") || noun.ends_with("ss") => format!("{noun}es"),
        _ => format!("{noun}s"),
    };
    format!("{} {plural}", grouped(number))
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `812 B`, `1.4 MB`: powers of 1,000.
pub(super) fn bytes(number: u64) -> String {
    let mut size = number as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB"] {
        if size < 999.5 {
            break;
        }
        size /= 1_000.0;
        unit = larger;
    }
    if unit == "B" {
        format!("{number} B")
    } else {
        format!("{size:.1} {unit}")
    }
}

/// `340 ms`, `12.3 s`, `4 min`, `3 h`, `9 d`: as much as one needs to know.
pub(super) fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0 => format!("{} ms", length.as_millis()),
        1..60 => format!("{:.1} s", length.as_secs_f64()),
        60..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Rows of cells as aligned columns; the first row is the head. Numbers (by their first character)
/// go to the right.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    // Written out before they are measured; a cell is one line, whatever it holds.
    let written = |cell: &String| plain(cell).replace('\n', "\\n");
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(written).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                let numeric = rows
                    .iter()
                    .skip(1)
                    .filter_map(|row| row.get(column))
                    .all(|cell| cell.is_empty() || cell.starts_with(|first: char| first.is_ascii_digit()));
                if numeric && column > 0 {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            })
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(count(1, "fetch"), "1 fetch");
        assert_eq!(count(1_200, "fetch"), "1,200 fetches");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(bytes(812), "812 B");
        assert_eq!(bytes(1_400_000), "1.4 MB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(duration(Duration::from_millis(340)), "340 ms");
        assert_eq!(duration(Duration::from_secs(240)), "4 min");
    }

    #[test]
    fn tables_align() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = table(&[row(["type", "rows"]), row(["Item", "320"]), row(["Npc", "8"])]);
        assert_eq!(text, "type  rows\nItem   320\nNpc      8\n");
        let text = table(&[row(["a", "b"]), row(["x\ny", "\u{1b}[2J"])]);
        assert_eq!(text, "a     b\nx\\ny  \\u001b[2J\n");
    }
}
