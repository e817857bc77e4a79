//! Prints of rows: what an answer wrote, in one number, so that it vouches later only for rows that
//! still are so. Knows row numbers, hashes and the SQL that sums them up; no pages, no runs.

use crate::{
    catalog::EntityId,
    layout::{HASH_COLUMN, ROW_COLUMN},
    store::{
        db::{
            params::Kind,
            pool::{ResultRow, get},
            rows::Rows,
        },
        error::StoreError,
        state::print::{LOW, Print},
        tx::Transaction,
    },
};

const KINDS: [Kind; 2] = [Kind::Int, Kind::Int];

impl Transaction<'_> {
    /// The print of the rows in these spans as they are stored now; those that are gone count for
    /// nothing.
    pub(crate) async fn print(&mut self, entity: EntityId, spans: &[(i64, i64)]) -> Result<Print, StoreError> {
        let mut print = Print::default();
        let mut from = 0;
        for size in self.context.dialect.row_sizes(spans.len(), KINDS.len()) {
            let mut wanted = Rows::new(self.params(), &KINDS, size);
            for (first, last) in spans.iter().skip(from).take(size) {
                wanted.int(*first)?;
                wanted.int(*last)?;
            }
            from += size;
            let sql = self.print_sql(entity, size);
            for row in self.all(wanted.bind()?, sql).await? {
                print.plus(read(&row)?);
            }
        }
        Ok(print)
    }

    /// The prints of several lists of spans.
    pub(crate) async fn prints(
        &mut self,
        entity: EntityId,
        lists: &[Vec<(i64, i64)>],
    ) -> Result<Vec<Print>, StoreError> {
        const KINDS: [Kind; 3] = [Kind::Int, Kind::Int, Kind::Int];
        let mut prints = vec![Print::default(); lists.len()];
        let numbered = (0i64..).zip(lists);
        let all: Vec<(i64, &(i64, i64))> = numbered
            .flat_map(|(n, list)| list.iter().map(move |span| (n, span)))
            .collect();
        let mut from = 0;
        for size in self.context.dialect.row_sizes(all.len(), KINDS.len()) {
            let mut wanted = Rows::new(self.params(), &KINDS, size);
            for (list, (first, last)) in all.iter().skip(from).take(size) {
                wanted.int(*list)?;
                wanted.int(*first)?;
                wanted.int(*last)?;
            }
            from += size;
            let sql = format!(
                "WITH _span(n,a,z) AS ({}) SELECT {},_span.n {} GROUP BY _span.n",
                self.rows(&KINDS, size),
                self.sums(),
                self.in_spans(entity)
            );
            for row in self.all(wanted.bind()?, sql).await? {
                let list = usize::try_from(get::<i64>(&row, 3)?).ok();
                if let Some(print) = list.and_then(|list| prints.get_mut(list)) {
                    print.plus(read(&row)?);
                }
            }
        }
        Ok(prints)
    }

    pub(crate) fn print_sql(&self, entity: EntityId, size: usize) -> String {
        let rows = self.rows(&KINDS, size);
        format!(
            "WITH _span(a,z) AS ({rows}) SELECT {} {}",
            self.sums(),
            self.in_spans(entity)
        )
    }

    /// What [`read`] reads.
    pub(crate) fn sums(&self) -> String {
        let hash = self.quote(HASH_COLUMN);
        format!(
            "CAST(count(*) AS BIGINT),CAST(coalesce(sum(t.{hash}&{LOW}),0) AS BIGINT),\
             CAST(coalesce(sum((t.{hash}>>32)&{LOW}),0) AS BIGINT)"
        )
    }

    pub(crate) fn in_spans(&self, entity: EntityId) -> String {
        let row = self.quote(ROW_COLUMN);
        format!(
            "FROM _span {} {} AS t ON t.{row}>=_span.a AND t.{row}<=_span.z",
            self.context.dialect.chain(),
            self.quote(&self.tables(entity).table.name)
        )
    }
}

fn read(row: &ResultRow) -> Result<Print, StoreError> {
    let number = |at| get::<i64>(row, at).map(i64::cast_unsigned);
    Ok(Print {
        rows: number(0)?,
        low: number(1)?,
        high: number(2)?,
    })
}
