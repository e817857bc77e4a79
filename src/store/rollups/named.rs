//! What new rows are for the parents that they name, told by the values that are written, without a
//! question for each row. Knows columns; not which parents there are before the end.

use std::collections::HashMap;

use crate::{
    catalog::{EntityId, FieldId},
    store::{
        context::Context,
        db::{params::Kind, pool::get, rows::Rows},
        error::StoreError,
        tx::Transaction,
    },
    value::{Key, Total, Value},
};

use super::{
    columns::quoted,
    computed::Computed,
    tally::{Tally, no_number},
};

/// What rows are for parents of one type, by the values by which they name these.
#[derive(Clone)]
pub(super) struct Named {
    /// The places of these values among a row's columns.
    by: Vec<usize>,
    /// The fields of the parent that have them.
    own: Vec<FieldId>,
    /// For each rollup the place of what is added up.
    sums: Vec<Option<usize>>,
    tallies: HashMap<Key, Tally>,
}

impl Named {
    /// None where more than the values of a row has to be known.
    pub(super) fn of(computed: &Computed<'_>, context: &Context) -> Option<Named> {
        let (by, own) = computed.named_by()?;
        let tables = context.layout.entity(computed.child());
        let by = tables.columns_of(by);
        let columns = || by.iter().filter_map(|at| tables.table.columns.get(*at));
        // A double may be written in two ways and be the same.
        let is_plain = columns().all(|column| column.is_recorded() && Kind::of(column.kind) != Kind::Float);
        let mut named = Named {
            by: by.clone(),
            own: own.to_vec(),
            sums: Vec::new(),
            tallies: HashMap::new(),
        };
        named.add(computed, context);
        (is_plain && !by.is_empty()).then_some(named)
    }

    /// Has another rollup told as well.
    pub(super) fn add(&mut self, computed: &Computed<'_>, context: &Context) {
        self.sums.push(place_of(computed, context));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    /// Counts a row for the parent that it names, if it names one.
    pub(super) fn tally(&mut self, values: &[Value]) -> Result<(), StoreError> {
        let key: Vec<Value> = self.by.iter().filter_map(|at| values.get(*at)).cloned().collect();
        if key.contains(&Value::Null) {
            return Ok(());
        }
        let tally = self.tallies.entry(Key(key)).or_default();
        tally.rows += 1;
        tally.sums.resize(self.sums.len(), None);
        for (sum, place) in tally.sums.iter_mut().zip(&self.sums) {
            match place.and_then(|at| values.get(at)) {
                None | Some(Value::Null) => {}
                Some(Value::Int(number)) => sum.get_or_insert_default().add_whole(*number),
                Some(Value::Text(text)) => {
                    let is_known = sum.get_or_insert_with(Total::default).add(text);
                    is_known.then_some(()).ok_or_else(no_number)?;
                }
                Some(_) => return Err(no_number()),
            }
        }
        Ok(())
    }

    /// The rows of the parents that are named and there, each with what is told of it.
    pub(super) async fn parents(
        self,
        tx: &mut Transaction<'_>,
        parent: EntityId,
    ) -> Result<Vec<(i64, Tally)>, StoreError> {
        let tables = tx.tables(parent);
        let places = self.own.iter().flat_map(|field| tables.columns_of(*field));
        let columns: Vec<_> = places.filter_map(|at| tables.table.columns.get(at)).collect();
        let mut kinds = vec![Kind::Int];
        kinds.extend(columns.iter().map(|column| Kind::of(column.kind)));
        let names: String = (0..columns.len()).map(|at| format!(",k{at}")).collect();
        let on = columns.iter().enumerate();
        let on = on.map(|(at, column)| format!("t.{}=one.k{at}", tx.quote(&column.name)));
        let on = on.collect::<Vec<_>>().join(" AND ");
        let (table, row) = quoted(tx, parent);
        let mut all: Vec<(Key, Option<Tally>)> = self
            .tallies
            .into_iter()
            .map(|(key, tally)| (key, Some(tally)))
            .collect();
        let mut found = Vec::with_capacity(all.len());
        let sizes = tx.context.dialect.row_sizes(all.len(), kinds.len());
        let mut rest = all.as_mut_slice();
        for size in sizes {
            let size = size.min(rest.len());
            let (chunk, others) = std::mem::take(&mut rest).split_at_mut(size);
            rest = others;
            let mut values = Rows::new(tx.params(), &kinds, chunk.len());
            for (at, (key, _)) in (0..).zip(chunk.iter()) {
                values.int(at)?;
                key.0.iter().try_for_each(|value| values.value(value))?;
            }
            let sql = format!(
                "WITH _one(n{names}) AS ({}) SELECT one.n,t.{row} FROM _one AS one {} {table} AS t ON {on}",
                tx.rows(&kinds, chunk.len()),
                tx.context.dialect.chain()
            );
            for line in tx.all(values.bind()?, sql).await? {
                let (at, row): (i64, i64) = (get(&line, 0)?, get(&line, 1)?);
                let tally = usize::try_from(at).ok().and_then(|at| chunk.get_mut(at)?.1.take());
                found.extend(tally.map(|tally| (row, tally)));
            }
        }
        Ok(found)
    }
}

/// The place of what a rollup adds up, where it is kept by adding.
fn place_of(computed: &Computed<'_>, context: &Context) -> Option<usize> {
    let field = computed.adds_up().filter(|_| computed.sum(context).is_some())?;
    context
        .layout
        .entity(computed.child())
        .columns_of(field)
        .first()
        .copied()
}
