//! Runs a compiled read with many sets of values in one statement, and tells their answers apart.
//! Knows how those are numbered; nothing of how many there may be.

use std::{sync::Arc, time::Instant};

use crate::{
    store::{
        context::Context,
        db::{params::Params, pool::get, rows::Rows},
        error::StoreError,
        in_force,
        types::Answer,
    },
    value::Value,
};

use super::{
    matches, operands, roots,
    statement::{Bind, Many, Statement},
};

/// The answers in the order of the values, which are alike ([`Statement::alike`]); or none at all:
/// whose fault that is has to be found out by running each alone.
pub(super) async fn read(
    context: &Context,
    statement: &Statement,
    many: &Many,
    runs: &[Arc<[Value]>],
) -> Result<Vec<Answer>, StoreError> {
    let params = bound(context, statement, many, runs)?;
    let reader = context.readers.take().await?;
    let began = Instant::now();
    let (lines, _) = in_force::read_all(context, reader, params.query(Arc::clone(&many.sql))).await?;
    let width = statement.roots.len();
    let mut heads: Vec<Option<i64>> = vec![None; runs.len()];
    let mut found: Vec<Option<&str>> = vec![None; runs.len() * width];
    for line in &lines {
        let (number, root, json): (i64, i64, &str) = (get(line, 0)?, get(line, 1)?, get(line, 2)?);
        let number = usize::try_from(number).map_err(|_| roots::lost())?;
        match usize::try_from(root) {
            Ok(root) => *found.get_mut(number * width + root).ok_or_else(roots::lost)? = Some(json),
            Err(_) => *heads.get_mut(number).ok_or_else(roots::lost)? = json.parse().ok(),
        }
    }
    let count = u32::try_from(runs.len()).unwrap_or(u32::MAX);
    let took = began.elapsed() / count.max(1);
    let answers = heads.into_iter().zip(runs).enumerate().map(|(number, (head, values))| {
        let own = found
            .get(number * width..(number + 1) * width)
            .ok_or_else(roots::lost)?;
        let json = roots::assemble(&statement.roots, own);
        Ok(Answer {
            json: matches::put(json, &statement.shown, values)?,
            head: head.ok_or_else(roots::lost)?,
            took,
        })
    });
    answers.collect()
}

/// What is the same in all of them, and a row of each with what may differ.
fn bound(context: &Context, statement: &Statement, many: &Many, runs: &[Arc<[Value]>]) -> Result<Params, StoreError> {
    let (differ, same): (Vec<&Bind>, Vec<&Bind>) = statement.binds.iter().partition(|bind| bind.may_differ());
    let operand = |bind, values| operands::operand(bind, values, context.dialect, true);
    let mut params = context.params();
    for bind in same {
        params.cell(operand(bind, runs.first().map_or(&[][..], |values| values))?)?;
    }
    let mut cells = Vec::with_capacity(runs.len() * differ.len());
    for values in runs {
        for bind in &differ {
            cells.push(operand(bind, values)?.into_value());
        }
    }
    let mut rows = Rows::new(params, &many.kinds, runs.len());
    for cell in &cells {
        rows.value(cell)?;
    }
    rows.bind()
}
