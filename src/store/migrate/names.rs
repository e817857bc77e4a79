//! Types and fetches are called by name in the system tables; here they get their new ones. Knows
//! those tables.

use crate::{
    layout::steps::Change,
    store::{error::StoreError, tx::Transaction},
};

use super::migration::Migration;

/// Where the names of fetches stand: a type's name, or `Type.field`.
const FETCHES: &[&str] = &[
    "hayloft_run",
    "hayloft_request_state",
    "hayloft_quarantine",
    "hayloft_fetch",
    "hayloft_refill",
    "hayloft_fan_out",
    "hayloft_reading",
    "hayloft_held",
];

/// Forgets removed types, follows renamed ones, and lets new ones begin without a past.
pub(crate) async fn types(tx: &mut Transaction<'_>, migration: &Migration<'_>) -> Result<(), StoreError> {
    forget(tx, migration, &Change::RemovedType).await?;
    for planned in migration.planned {
        let step = &planned.step;
        match &step.change {
            Change::RenamedType { from } => rename(tx, from, &step.entity).await?,
            // Most fields have no requests of their own, and nothing that could be called
            // otherwise.
            Change::RenamedLinks { from } | Change::RenamedField { from } => {
                let of = |field: &str| format!("{}.{field}", step.entity);
                let to = step.field.as_deref().unwrap_or_default();
                rename_fetch(tx, &of(from), &of(to)).await?;
            }
            _ => {}
        }
    }
    // One of this name that an earlier version removed may have left its runs.
    forget(tx, migration, &Change::NewType).await?;
    for kept in &migration.steps.kept {
        let Some(old) = migration.stored.entities.get(kept.stored) else {
            continue;
        };
        let new = migration.new.entity(kept.entity);
        if old.table.name != new.table.name {
            for statement in tx.context.dialect.rename_row_numbers(&old.table.name, &new.table.name) {
                tx.run(tx.params(), statement).await?;
            }
        }
    }
    Ok(())
}

/// Gives a fetch its new name, and those of the type's fields with it.
async fn rename(tx: &mut Transaction<'_>, from: &str, to: &str) -> Result<(), StoreError> {
    rename_fetch(tx, from, to).await?;
    let (from, to) = (tx.context.dialect.literal(from), tx.context.dialect.literal(to));
    let column = tx.quote("type");
    let sql = format!("UPDATE hayloft_change_pack SET {column}={to} WHERE {column}={from}");
    tx.run(tx.params(), sql).await.map(|_| ())
}

/// Forgets all that is known of the fetches of types that a change befalls, runs and turns
/// together: a schedule that knew of the one but not of the other would skip slots, or never end.
async fn forget(tx: &mut Transaction<'_>, migration: &Migration<'_>, change: &Change) -> Result<(), StoreError> {
    let steps = migration.planned.iter().map(|planned| &planned.step);
    for step in steps.filter(|step| step.change == *change) {
        let name = tx.context.dialect.literal(&step.entity);
        let runs = format!("SELECT id FROM hayloft_run WHERE {}", of(&name));
        tx.run(
            tx.params(),
            format!("DELETE FROM hayloft_run_seen WHERE run IN ({runs})"),
        )
        .await?;
        for table in FETCHES {
            tx.run(tx.params(), format!("DELETE FROM {table} WHERE {}", of(&name)))
                .await?;
        }
    }
    Ok(())
}

/// A condition: a fetch is that of a type (its name as a literal), or of one of its fields.
fn of(name: &str) -> String {
    format!("\"fetch\"={name} OR substr(\"fetch\",1,length({name})+1)={name}||'.'")
}

async fn rename_fetch(tx: &mut Transaction<'_>, from: &str, to: &str) -> Result<(), StoreError> {
    let (from, to) = (tx.context.dialect.literal(from), tx.context.dialect.literal(to));
    for table in FETCHES {
        // One of this name that was removed before may have left its history.
        tx.run(tx.params(), format!("DELETE FROM {table} WHERE {}", of(&to)))
            .await?;
        let named = format!(
            "UPDATE {table} SET \"fetch\"={to}||substr(\"fetch\",length({from})+1) WHERE {}",
            of(&from)
        );
        tx.run(tx.params(), named).await?;
    }
    Ok(())
}
