//! The records that a filter makes of one value. Knows filters, and what is broken; knows no
//! format.

use std::ops::ControlFlow;

use jaq_json::Val;

use super::{DecodeContext, Sink};
use crate::{
    catalog::jq::{Filter, weight},
    harvest::{
        error::{PageFault, Stop, rows_fault},
        limits::RECORDS_KEPT,
        refusal::{At, refused_costly, refused_item},
        select::spoiled,
    },
    value::first_broken,
};

/// Gives the sink the records of a value that stands for itself: what is wrong with it costs no
/// other one.
pub(super) fn of_item(
    filter: &Filter,
    item: &Val,
    (bytes, at): (u64, At),
    context: &DecodeContext<'_>,
    sink: &mut dyn Sink,
) -> Result<(), Stop> {
    if let Some(words) = spoiled(filter, item) {
        return sink.refuse(refused_item(words, item), bytes, at);
    }
    let mut halt = None;
    let each = &mut |record: &Val| flow(sink.record(record, bytes, at), &mut halt);
    let ran = filter.run_each(item, context.variables, each);
    if let Some(halt) = halt {
        return Err(halt);
    }
    context.in_time()?;
    match (ran, first_broken(item)) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(words)) => sink.refuse(refused_item(words, item), bytes, at),
        (Err(error), None) if error.too_much => sink.refuse(refused_costly(&error, item), bytes, at),
        (Err(error), None) => Err(rows_fault(&context.place_of(at), format!("rows: {}", error.message)).into()),
    }
}

/// The records of a whole page: they are all known before the first is given to anybody, so that
/// one that is none spoils all.
pub(super) struct Found {
    pub count: u64,
    pub alone: Option<Val>,
    /// None: together they take too much memory, and are better made again.
    kept: Option<Vec<Val>>,
}

/// Why they cannot be had.
pub(super) struct NotFound {
    pub fault: PageFault,
    /// It takes too much memory: what is made of one item may, and then it alone is at fault.
    pub too_much: bool,
}

impl Found {
    /// Runs `rows` over a page.
    pub(super) fn on(page: &Val, context: &DecodeContext<'_>, sink: &dyn Sink) -> Result<Found, NotFound> {
        context.allow();
        let rows = &context.fetch.rows;
        let mut found = Found {
            count: 0,
            alone: None,
            kept: Some(Vec::new()),
        };
        // A path lends what is there; what others make takes room of its own.
        let made = |record: &Val, room: usize| if rows.is_path() { 0 } else { weight(record, room) };
        let mut room = RECORDS_KEPT;
        let mut wrong = None;
        let each = &mut |record: &Val| {
            context.allow();
            found.add(record, size_of::<Val>() + made(record, room), &mut room);
            flow(sink.check(record), &mut wrong)
        };
        let ran = rows.run_each(page, context.variables, each);
        ran.map_err(|error| NotFound {
            too_much: error.too_much,
            fault: rows_fault(context.place, format!("rows: {}", error.message)),
        })?;
        let not_found = |fault| NotFound { fault, too_much: false };
        wrong.map_or(Ok(found), |fault| Err(not_found(fault)))
    }

    fn add(&mut self, record: &Val, bytes: usize, room: &mut usize) {
        self.count += 1;
        self.alone = (self.count == 1).then(|| record.clone());
        let Some(kept) = &mut self.kept else { return };
        match room.checked_sub(bytes) {
            Some(left) => {
                *room = left;
                kept.push(record.clone());
            }
            None => self.kept = None,
        }
    }

    #[cfg(test)]
    pub(super) fn keeps(&self) -> bool {
        self.kept.is_some()
    }

    /// Gives the sink the records; `bytes` is the share that each has of the page.
    pub(super) fn give(
        self,
        page: &Val,
        bytes: u64,
        context: &DecodeContext<'_>,
        sink: &mut dyn Sink,
    ) -> Result<(), Stop> {
        let Some(kept) = self.kept else {
            return again(page, bytes, context, sink);
        };
        for (number, record) in (1..).zip(&kept) {
            sink.record(record, bytes, At::Record(number))?;
        }
        context.in_time()
    }
}

/// Makes the records of a page a second time, one after the other.
fn again(page: &Val, bytes: u64, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
    let (mut number, mut halt) = (0, None);
    let each = &mut |record: &Val| {
        number += 1;
        flow(sink.record(record, bytes, At::Record(number)), &mut halt)
    };
    let ran = context.fetch.rows.run_each(page, context.variables, each);
    if let Some(halt) = halt {
        return Err(halt);
    }
    context.in_time()?;
    Ok(ran.map_err(|error| rows_fault(context.place, error.message))?)
}

/// Whether a filter goes on; what stopped it is kept.
fn flow<E>(result: Result<(), E>, halt: &mut Option<E>) -> ControlFlow<()> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(stop) => {
            *halt = Some(stop);
            ControlFlow::Break(())
        }
    }
}
