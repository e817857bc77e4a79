//! How fresh the rows of each type are, as one JSON array. Knows the ledger's columns; the rest of
//! a read knows none of it.

use crate::{
    catalog::EntityId,
    layout::ColumnKind,
    query::{FreshnessOutput, FreshnessValue, Operand},
    store::system::{change_log, runs::told},
    value::{Scalar, Value},
};

use super::{compiler::Compiler, output::Pieces, statement::BindForm};

const TIME: ColumnKind = ColumnKind::Scalar(Scalar::DateTime);

impl Compiler<'_> {
    /// `SELECT json` of the list of all types, in the order of the definition.
    pub(crate) fn freshness(&mut self, output: &[FreshnessOutput]) -> String {
        let mut parts = vec![self.dialect.literal("[")];
        for id in self.catalog.entity_ids() {
            if parts.len() > 1 {
                parts.push(self.dialect.literal(","));
            }
            parts.push(self.fresh(id, output));
        }
        parts.push(self.dialect.literal("]"));
        format!("SELECT {} AS json", self.dialect.concat(&parts))
    }

    fn fresh(&mut self, id: EntityId, output: &[FreshnessOutput]) -> String {
        let mut pieces = Pieces::new();
        for member in output {
            pieces.key(&member.key);
            let sql = match &member.value {
                FreshnessValue::Text(text) => {
                    pieces.json(text);
                    continue;
                }
                FreshnessValue::Name => {
                    pieces.json(&self.entity(id).name);
                    continue;
                }
                FreshnessValue::Rows => {
                    let table = self.dialect.quote(&self.tables(id).table.name);
                    format!("CAST((SELECT count(*) FROM {table}) AS TEXT)")
                }
                FreshnessValue::CompleteAt => self.complete_at(id),
                FreshnessValue::TriedAt => self.dialect.wire(&self.last_try(id, "started_at"), TIME, true),
                FreshnessValue::Outcome => {
                    let state = self.last_try(
                        id,
                        "CASE WHEN state='complete' AND doubt IS NOT NULL THEN 'DOUBTFUL' ELSE upper(state) END",
                    );
                    format!("coalesce('\"'||{state}||'\"','null')")
                }
                FreshnessValue::NextAt(operands) => {
                    let operand = operands.get(id.index()).cloned();
                    let operand = operand.unwrap_or(Operand::Value(Value::Null));
                    let next = self.bind(&operand, BindForm::Column(TIME));
                    self.dialect.wire(&next, TIME, true)
                }
                FreshnessValue::Cursor => {
                    let head = self.dialect.quote(change_log::HEAD);
                    format!("(SELECT '\"'||epoch||':'||CAST(seq AS TEXT)||'\"' FROM {head} WHERE one=1)")
                }
            };
            pieces.expression(self, sql);
        }
        pieces.finish(self)
    }

    /// The earliest of the last complete harvests that fill a type: none while one of them never
    /// ended so.
    fn complete_at(&self, id: EntityId) -> String {
        let (fetches, count) = self.fetches(id);
        let sql = told::complete_at(&fetches, count);
        self.dialect.wire(&sql, TIME, true)
    }

    /// A column of the run that began last of those that fill a type.
    fn last_try(&self, id: EntityId, column: &str) -> String {
        let (fetches, _) = self.fetches(id);
        told::last_try(&fetches, column)
    }

    /// The names in the ledger of what fills a type, as literals, and how many they are. Nothing is
    /// called by an empty name.
    fn fetches(&self, id: EntityId) -> (String, usize) {
        let names = self.catalog.filled_by(id).into_iter();
        let names: Vec<String> = names
            .map(|chore| self.dialect.literal(&self.catalog.chore_name(chore)))
            .collect();
        match names.len() {
            0 => ("''".to_owned(), 1),
            count => (names.join(","), count),
        }
    }
}
