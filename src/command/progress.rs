//! Progress bars on a terminal, nothing elsewhere.

use std::{collections::HashMap, io::IsTerminal, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{app::terminal::plain, harvest::Committed};

use super::text;

/// The bars of all fetches under way.
pub(super) struct Bars {
    lines: MultiProgress,
    bars: HashMap<String, ProgressBar>,
}

impl Bars {
    pub(super) fn new() -> Bars {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Bars {
            lines: MultiProgress::with_draw_target(target),
            bars: HashMap::new(),
        }
    }

    /// A fetch begins.
    pub(super) fn begin(&mut self, name: &str) {
        let bar = self.lines.add(ProgressBar::no_length());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        bar.set_message(name.to_owned());
        self.bars.insert(name.to_owned(), bar);
    }

    /// It ends.
    pub(super) fn end(&mut self, name: &str) {
        if let Some(bar) = self.bars.remove(name) {
            bar.finish_and_clear();
        }
    }

    /// All end.
    pub(super) fn finish(&self) {
        self.bars.values().for_each(ProgressBar::finish_and_clear);
    }

    /// It has come so far.
    pub(super) fn committed(&self, name: &str, done: &Committed) {
        let Some(bar) = self.bars.get(name) else { return };
        let parts = [
            (done.bytes_total, done.bytes),
            (done.pages_total, done.pages),
            (done.rows_total, done.rows),
        ];
        // The first measure whose end is known makes a bar; without any the spinner has to do.
        if let Some((total, part)) = parts.into_iter().find_map(|(total, part)| Some((total?, part))) {
            bar.set_length(total);
            bar.set_position(part);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {bar:24} {percent}% {elapsed}") {
                bar.set_style(style);
            }
        }
        bar.set_message(format!(
            "{name}: {}, {}, {}",
            text::count(done.pages, "page"),
            text::count(done.rows, "row"),
            text::bytes(done.bytes)
        ));
    }

    /// Something that a person should know.
    pub(super) fn message(&self, name: &str, text: &str) {
        // Not being able to show it on a terminal ends no harvest.
        let _ = self.lines.println(format!("{name}: {}", plain(text)));
    }
}
