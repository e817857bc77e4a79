//! A look at what was committed: which parts of which types are newer than this process knows.
//! Knows the log's head and the table of versions; no rows.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
    time::Instant,
};

use crate::{
    catalog::Part,
    change::{Changed, Commit, Moment, News},
    store::{context::Context, error::StoreError, in_force, system::versions},
};

/// Announces what was committed and is not known yet; hears of a newer definition, too.
pub(crate) async fn look(context: &Context) -> Result<(), StoreError> {
    let _turn = context.looking.lock().await;
    alone(context).await
}

async fn alone(context: &Context) -> Result<(), StoreError> {
    let told = *context.told.lock().unwrap_or_else(PoisonError::into_inner);
    let look = context.versions.look(context.guard.generation(), told);
    let seen = versions::seen(context, look.since).await?;
    let (head, layout) = (seen.head, seen.layout);
    context.guard.saw(look.generation, head);
    let (news, told) = context.versions.settle(&look, seen);
    *context.told.lock().unwrap_or_else(PoisonError::into_inner) = told;
    in_force::by_number(context, layout).await?;
    let changed = match news {
        News::Parts(parts) => Changed::Parts(Arc::new(named(context, parts))),
        News::Anything => Changed::Anything,
    };
    if !matches!(&changed, Changed::Parts(parts) if parts.is_empty()) {
        context.bus.announce(Commit { head, changed });
    }
    Ok(())
}

/// Parts that this definition has.
fn named(context: &Context, parts: Vec<(String, String)>) -> BTreeSet<Part> {
    let catalog = &context.catalog;
    let part = |(entity, field): (String, String)| {
        let id = catalog.entity_named(&entity)?;
        match field.as_str() {
            "" => Some(Part::rows(id)),
            name => {
                let found = catalog
                    .entity(id)
                    .field_ids()
                    .find(|at| catalog.entity(id).field(*at).name == name);
                found.map(|field| Part::field(id, field))
            }
        }
    };
    parts.into_iter().filter_map(part).collect()
}

/// What is known of commits, and is all there is: where it may not be, somebody looks first.
pub(crate) async fn now(context: &Context) -> Result<Moment, StoreError> {
    if let Some(moment) = context.moment() {
        return Ok(moment);
    }
    // Where looks take long, those who wait for one share the next.
    let asked = Instant::now();
    let _turn = context.looking.lock().await;
    if let Some(moment) = context.moment_since(Some(asked)) {
        return Ok(moment);
    }
    alone(context).await?;
    let unsure = || StoreError::Internal("what was committed cannot be told".to_owned());
    context.versions.known(context.guard.generation()).ok_or_else(unsure)
}
