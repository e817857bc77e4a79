//! A progress bar on a terminal, nothing elsewhere.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::harvest::{Committed, Progress};

use super::text;

/// The bar of one fetch.
pub struct Bars {
    bar: ProgressBar,
    name: String,
}

impl Bars {
    pub fn new(name: &str) -> Bars {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        bar.set_message(name.to_owned());
        Bars {
            bar,
            name: name.to_owned(),
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bars {
    fn committed(&self, done: &Committed) {
        let parts = [
            (done.bytes_total, done.bytes),
            (done.pages_total, done.pages),
            (done.rows_total, done.rows),
        ];
        // The first measure whose end is known makes a bar; without any the spinner has to do.
        if let Some((total, part)) = parts.into_iter().find_map(|(total, part)| Some((total?, part))) {
            self.bar.set_length(total);
            self.bar.set_position(part);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {bar:24} {percent}% {elapsed}") {
                self.bar.set_style(style);
            }
        }
        self.bar.set_message(format!(
            "{}: {}, {}, {}",
            self.name,
            text::count(done.pages, "page"),
            text::count(done.rows, "row"),
            text::bytes(done.bytes)
        ));
    }

    fn message(&self, text: &str) {
        self.bar.println(format!("{}: {text}", self.name));
    }
}
