//! What is computed of rows as a whole, as values and as JSON. Knows the functions by the dialect;
//! chooses no row.

use crate::{
    layout::ColumnKind,
    query::{Aggregate, AggregateValue, Aggregated, Function, Measure, Member},
    store::error::StoreError,
    value::Scalar,
};

use super::{
    compiler::{ColumnAt, Compiler},
    output::Pieces,
};

/// Gives the value of a measure as an expression.
type Measured<'m, 'c> = &'m mut dyn FnMut(&mut Compiler<'c>, Measure) -> Result<ColumnAt, StoreError>;

/// How many rows there are.
const COUNT: &str = "count(*)";

impl<'c> Compiler<'c> {
    /// The object of an aggregate, whose values are as `measured` says.
    pub(crate) fn aggregate(
        &mut self,
        Aggregate(members): &Aggregate,
        measured: Measured<'_, 'c>,
    ) -> Result<String, StoreError> {
        let mut pieces = Pieces::new();
        for member in members {
            pieces.key(&member.key);
            let sql = match &member.value {
                AggregateValue::Text(text) => {
                    pieces.json(text);
                    continue;
                }
                AggregateValue::Count => {
                    let count = measured(self, Measure::Count)?;
                    self.wire_of(&count)
                }
                AggregateValue::Of(function, fields) => self.aggregated(*function, fields, &mut *measured)?,
            };
            pieces.expression(self, sql);
        }
        Ok(pieces.finish(self))
    }

    fn aggregated(
        &mut self,
        function: Function,
        fields: &[Member<Aggregated>],
        measured: Measured<'_, 'c>,
    ) -> Result<String, StoreError> {
        let mut pieces = Pieces::new();
        for member in fields {
            pieces.key(&member.key);
            match &member.value {
                Aggregated::Text(text) => pieces.json(text),
                Aggregated::Within(members) => {
                    let sql = self.aggregated(function, members, &mut *measured)?;
                    pieces.expression(self, sql);
                }
                Aggregated::Field(field) => {
                    let value = measured(self, Measure::Of(function, *field))?;
                    let sql = self.wire_of(&value);
                    pieces.expression(self, sql);
                }
            }
        }
        Ok(pieces.finish(self))
    }

    pub(crate) fn wire_of(&self, value: &ColumnAt) -> String {
        self.dialect.wire(&value.sql, value.kind, value.nullable)
    }

    /// What a function gives of all values of a column.
    pub(crate) fn function(&self, function: Function, column: &ColumnAt) -> ColumnAt {
        let (sql, kind) = self.dialect.measure(function, &column.sql, column.kind);
        ColumnAt {
            sql,
            kind,
            nullable: function != Function::CountDistinct,
        }
    }
}

/// How many rows there are.
pub(crate) fn count() -> ColumnAt {
    ColumnAt {
        sql: COUNT.to_owned(),
        kind: ColumnKind::Scalar(Scalar::Int),
        nullable: false,
    }
}
