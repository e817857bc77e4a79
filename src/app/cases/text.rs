//! A case as it is written: Markdown whose headings are steps and whose blocks are data. Knows that
//! form, and where everything stands in it; runs nothing.

use std::{ops::Range, path::Path};

/// A case file, taken apart.
#[derive(Debug)]
pub(super) struct Case {
    pub steps: Vec<Step>,
}

/// A heading with the blocks below it.
#[derive(Debug)]
pub(super) struct Step {
    /// Counted from one.
    pub line: usize,
    pub what: What,
    pub blocks: Vec<Block>,
    /// Behind the last line that belongs to the step, in bytes.
    pub end: usize,
}

/// What a heading says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The definition of this case alone.
    Definition,
    /// Variables of the environment.
    Environment,
    /// What an upstream answers from here on.
    Answer {
        source: Option<String>,
        method: String,
        path: String,
    },
    /// A folder of recorded answers, beside the case.
    Cassette(String),
    /// A run of one fetch, or of all.
    Harvest(Option<String>),
    /// What the runs said.
    Runs,
    /// The stored rows of a type.
    Rows(String),
    /// What was refused of a fetch.
    Refused(String),
    Query,
}

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// What stands behind the fence: `json`, `http`.
    pub info: String,
    pub text: String,
    /// Of its first line of text, counted from one.
    pub line: usize,
    /// All of it with its fences, in bytes of the file.
    pub span: Range<usize>,
}

/// What is wrong with a case file.
#[derive(Debug)]
pub(super) struct Misread {
    pub line: usize,
    pub message: String,
    pub hint: &'static str,
}

impl Misread {
    pub(super) fn at(line: usize, message: impl Into<String>, hint: &'static str) -> Misread {
        Misread {
            line,
            message: message.into(),
            hint,
        }
    }

    /// `error: cases/a.case.md:3: …` and what to do.
    pub(super) fn shown(&self, path: &Path) -> String {
        format!(
            "error: {}:{}: {}\n  hint: {}",
            path.display(),
            self.line,
            self.message,
            self.hint
        )
    }
}

const STEPS: &str = "a step is a heading of `##` and one of Definition, Environment, Answer, Cassette, Harvest, Runs, Rows, \
                     Refused and Query; prose stands below other headings, or between the steps' blocks";
const FENCES: &str = "a block begins with ``` and ends with a line of as many";

impl Case {
    /// Takes a file apart.
    pub(super) fn read(text: &str) -> Result<Case, Misread> {
        let mut steps: Vec<Step> = Vec::new();
        let mut lines = Lines { text, at: 0, number: 0 };
        while let Some((line, start, number)) = lines.next() {
            if let Some(fence) = fence_of(line) {
                let block = lines.block(fence, line, start, number)?;
                let step = steps
                    .last_mut()
                    .ok_or_else(|| Misread::at(number, "a block before the first step", STEPS))?;
                step.end = block.span.end;
                step.blocks.push(block);
            } else if let Some(heading) = line.strip_prefix("## ") {
                steps.push(Step {
                    line: number,
                    what: what(heading.trim(), number)?,
                    blocks: Vec::new(),
                    end: start + line.len() + 1,
                });
            }
        }
        steps.iter().try_for_each(fits)?;
        match steps.iter().any(|step| step.is_check()) {
            true => Ok(Case { steps }),
            false => Err(Misread::at(
                1,
                "nothing is checked",
                "write `## Runs`, `## Rows TYPE`, `## Refused TYPE` or `## Query`; `--update` fills in what is expected",
            )),
        }
    }
}

impl Step {
    /// Whether it says what is expected.
    pub(super) fn is_check(&self) -> bool {
        matches!(self.what, What::Runs | What::Rows(_) | What::Refused(_) | What::Query)
    }

    /// The block with what is expected, if it is there already.
    pub(super) fn expected(&self) -> Option<&Block> {
        match self.what {
            What::Query => self.blocks.iter().find(|block| block.info == "json"),
            _ => self.blocks.first(),
        }
    }

    /// The block of a query, and that of its variables.
    pub(super) fn query(&self) -> (Option<&Block>, Option<&Block>) {
        let named = |info: &str| self.blocks.iter().find(|block| block.info == info);
        (named("graphql"), named("json variables"))
    }
}

/// Lines of a text, each with its place.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    number: usize,
}

impl<'t> Lines<'t> {
    fn next(&mut self) -> Option<(&'t str, usize, usize)> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let line = rest.split('\n').next().unwrap_or_default();
        let start = self.at;
        self.at = (start + line.len() + 1).min(self.text.len());
        self.number += 1;
        Some((line.strip_suffix('\r').unwrap_or(line), start, self.number))
    }

    /// Reads the rest of a block whose first line was read.
    fn block(&mut self, fence: usize, first: &str, start: usize, number: usize) -> Result<Block, Misread> {
        let begin = self.at;
        loop {
            let Some((line, at, _)) = self.next() else {
                return Err(Misread::at(number, "a block that does not end", FENCES));
            };
            if fence_of(line).is_some_and(|other| other >= fence) && line.trim_matches('`').trim().is_empty() {
                return Ok(Block {
                    info: first.trim_matches('`').trim().to_owned(),
                    text: self.text.get(begin..at).unwrap_or_default().to_owned(),
                    line: number + 1,
                    span: start..at + line.len(),
                });
            }
        }
    }
}

/// How many signs a fence has.
fn fence_of(line: &str) -> Option<usize> {
    let signs = line.chars().take_while(|sign| *sign == '`').count();
    (signs >= 3).then_some(signs)
}

fn what(heading: &str, line: usize) -> Result<What, Misread> {
    let (word, rest) = heading.split_once(' ').unwrap_or((heading, ""));
    let rest = rest.trim();
    let named = |what: fn(String) -> What| match rest.is_empty() || rest.contains(' ') {
        true => Err(Misread::at(
            line,
            format!("`## {word}` needs one name"),
            "write `## Rows Item`, `## Refused Item.recipes` or `## Cassette recorded/farm`",
        )),
        false => Ok(what(rest.to_owned())),
    };
    let bare = |what: What| match rest.is_empty() {
        true => Ok(what),
        false => Err(Misread::at(line, format!("`## {word}` has nothing behind it"), STEPS)),
    };
    match word {
        "Definition" => bare(What::Definition),
        "Environment" => bare(What::Environment),
        "Answer" => answer(rest, line),
        "Cassette" => named(What::Cassette),
        "Harvest" if rest.is_empty() => Ok(What::Harvest(None)),
        "Harvest" => named(|name| What::Harvest(Some(name))),
        "Runs" => bare(What::Runs),
        "Rows" => named(What::Rows),
        "Refused" => named(What::Refused),
        "Query" => bare(What::Query),
        _ => Err(Misread::at(line, format!("`{word}` is no step"), STEPS)),
    }
}

/// `GET /items?page=1`, `farm GET /items`, `FILE prices.csv`.
fn answer(rest: &str, line: usize) -> Result<What, Misread> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (source, method, path) = match words[..] {
        [method, path] => (None, method, path),
        [source, method, path] => (Some(source.to_owned()), method, path),
        _ => return Err(answer_form(line)),
    };
    match method.chars().all(|sign| sign.is_ascii_uppercase()) && !method.is_empty() {
        true => Ok(What::Answer {
            source,
            method: method.to_owned(),
            path: path.to_owned(),
        }),
        false => Err(answer_form(line)),
    }
}

fn answer_form(line: usize) -> Misread {
    Misread::at(
        line,
        "an answer needs a method and a path",
        "write `## Answer GET /items?page=1`, `## Answer SOURCE GET /items` or `## Answer FILE prices.csv`",
    )
}

/// Whether a step has the blocks that it needs.
fn fits(step: &Step) -> Result<(), Misread> {
    let (count, line) = (step.blocks.len(), step.line);
    let wrong = |message: &str, hint: &'static str| Err(Misread::at(line, message, hint));
    match &step.what {
        What::Definition if count != 1 => wrong("a definition is one block", "begin the block with ```graphql"),
        What::Environment if count != 1 => wrong("an environment is one block", "write lines of NAME=value in it"),
        What::Answer { .. } if count == 0 => wrong(
            "an answer without a block",
            "begin the block with ```json for a 200, or with ```http for a status, headers, an empty line and a body",
        ),
        What::Cassette(_) | What::Harvest(_) if count > 0 => wrong(
            "it has no block",
            "what is expected stands below `## Runs`, `## Rows TYPE` and so on",
        ),
        What::Query if step.query().0.is_none() => wrong("a query without a block", "begin the block with ```graphql"),
        What::Runs | What::Rows(_) | What::Refused(_) if count > 1 => wrong(
            "more than one block",
            "what is expected is one block; `--update` writes it",
        ),
        _ => Ok(()),
    }
}
