//! The signs of life of this process, and its place among the others. Knows whether its definition is in force.

use crate::store::{
    context::Context,
    error::StoreError,
    in_force,
    system::{
        clock,
        processes::{self, FORGET_SECONDS, SEEN},
    },
    tx::Transaction,
    types::{Attendance, ProcessSeen, Standing},
};

/// A sign of life of this process. Where a lock keeps others out, nothing is written: it is alone.
pub(crate) async fn attend(context: &Context, by_hand: bool) -> Result<Attendance, StoreError> {
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
    let standing = in_force::look(context).await?;
    let mut tx = Transaction::begin(context).await?;
    if standing != Standing::InForce {
        processes::step_aside(&mut tx, by_hand).await?;
        tx.commit().await?;
        return Err(StoreError::Replaced);
    }
    let now = clock::now_within(&mut tx).await?;
    let joined = processes::beat(&mut tx, by_hand).await?;
    let mut params = tx.params();
    params.add(tx.context.process.to_string())?;
    let sql = format!(
        "SELECT {SEEN} FROM hayloft_process WHERE {} AND replaced=0 ORDER BY by_hand DESC,started_at,id",
        processes::live(context)
    );
    let all = tx.all(tx.params(), sql).await?;
    let all = all.iter().map(processes::read).collect::<Result<Vec<_>, _>>()?;
    let sql = format!(
        "DELETE FROM hayloft_process WHERE id<>$1 AND seen_at<={}",
        context.now(-FORGET_SECONDS)
    );
    tx.run(params, sql).await?;
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
