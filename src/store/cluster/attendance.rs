//! The signs of life of this process, and its place among the others. Knows whether its definition
//! is in force.

use crate::store::{
    commit,
    context::Context,
    error::StoreError,
    in_force,
    system::{clock, processes},
    tx::Transaction,
    types::{Attendance, DefinitionStatus, ProcessSeen},
};

/// A sign of life of this process; with `call` the others are asked for one of theirs. Where a lock
/// keeps others out, nothing is written: it is alone.
pub(crate) async fn attend(context: &Context, by_hand: bool, call: bool) -> Result<Attendance, StoreError> {
    if context.is_alone() {
        return Ok(Attendance {
            rank: 0,
            count: 1,
            alone: true,
            joined: false,
            now: clock::now(context).await?,
            others_seen: None,
        });
    }
    let status = in_force::look(context).await?;
    let mut tx = Transaction::begin(context).await?;
    if status != DefinitionStatus::InForce {
        processes::step_aside(&mut tx, by_hand).await?;
        tx.commit().await?;
        return Err(StoreError::Replaced);
    }
    let now = clock::now_within(&mut tx).await?;
    let joined = processes::beat(&mut tx, by_hand).await?;
    let all = processes::by_rank(&mut tx).await?;
    processes::forget_gone(&mut tx).await?;
    if call {
        commit::tell_of_work(&mut tx).await?;
    }
    tx.commit().await?;
    let is_own = |process: &&ProcessSeen| *process.id == *context.process;
    Ok(Attendance {
        rank: all.iter().position(|process| is_own(&process)).unwrap_or(0),
        count: all.len().max(1),
        alone: false,
        joined,
        now,
        others_seen: all
            .iter()
            .filter(|process| !is_own(process))
            .map(|other| other.seen_at)
            .min(),
    })
}
