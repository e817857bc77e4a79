//! What is computed of rows as a whole, as JSON. Knows the functions by the dialect; chooses no
//! row.

use crate::{
    catalog::EntityId,
    query::{Aggregate, AggregateValue, Aggregated, Function, Member},
    store::error::StoreError,
};

use super::{compiler::Compiler, output::Pieces};

impl Compiler<'_> {
    /// The object of an aggregate as an expression over all rows under an alias.
    pub(crate) fn aggregate(
        &mut self,
        entity: EntityId,
        alias: &str,
        Aggregate(members): &Aggregate,
    ) -> Result<String, StoreError> {
        let mut pieces = Pieces::new();
        for member in members {
            pieces.key(&member.key);
            let sql = match &member.value {
                AggregateValue::Text(text) => {
                    pieces.json(text);
                    continue;
                }
                AggregateValue::Count => "CAST(count(*) AS TEXT)".to_owned(),
                AggregateValue::Of(function, fields) => self.aggregated(entity, alias, *function, fields)?,
            };
            pieces.expression(self, sql);
        }
        Ok(pieces.finish(self))
    }

    fn aggregated(
        &mut self,
        entity: EntityId,
        alias: &str,
        function: Function,
        fields: &[Member<Aggregated>],
    ) -> Result<String, StoreError> {
        let mut pieces = Pieces::new();
        for member in fields {
            pieces.key(&member.key);
            match &member.value {
                Aggregated::Text(text) => pieces.json(text),
                Aggregated::Field(field) => {
                    let column = self.column(entity, *field, alias)?;
                    let sql = self.dialect.aggregate(function, &column.sql, column.kind);
                    pieces.expression(self, sql);
                }
            }
        }
        Ok(pieces.finish(self))
    }
}
