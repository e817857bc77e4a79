//! Conditions. Two-valued: what compares with null is false, and `Not` is the exact complement.
//! Knows no output.

use crate::{
    catalog::{EntityId, FieldId},
    query::{Compare, Filter, Operand, Quantifier, TextTest},
    store::error::StoreError,
};

use super::{
    compiler::{ColumnAt, Compiler},
    statement::BindForm,
};

impl Compiler<'_> {
    /// The condition on the row under `alias`; in `WHERE`, SQL null counts as false.
    pub(crate) fn filter(&mut self, entity: EntityId, alias: &str, filter: &Filter) -> Result<String, StoreError> {
        Ok(match filter {
            Filter::And(filters) => self.all_of(entity, alias, filters, " AND ", "TRUE")?,
            Filter::Or(filters) => self.all_of(entity, alias, filters, " OR ", "FALSE")?,
            Filter::Not(filter) => format!("({}) IS NOT TRUE", self.filter(entity, alias, filter)?),
            Filter::Compare {
                field,
                compare,
                operand,
            } => {
                let column = self.column(entity, *field, alias)?;
                self.compare(&column, *compare, operand)
            }
            Filter::In { field, operands } => {
                let column = self.column(entity, *field, alias)?;
                self.among(&column, operands)
            }
            Filter::IsNull { field } => self.is_null(entity, alias, *field)?,
            Filter::Text { field, test, operand } => {
                let column = self.column(entity, *field, alias)?;
                self.text(&column, *test, operand)
            }
            Filter::Json { field, path, test } => {
                let column = self.column(entity, *field, alias)?;
                self.json(&column, path, test)
            }
            Filter::Search { operand, .. } => self.searched(entity, alias, operand),
            Filter::Has { field, all, operands } => self.has(entity, alias, *field, *all, operands)?,
            Filter::One { field, filter } => self.exists(entity, alias, *field, Quantifier::Some, filter)?,
            Filter::Many {
                field,
                quantifier,
                filter,
            } => self.exists(entity, alias, *field, *quantifier, filter)?,
            Filter::Items {
                field,
                quantifier,
                filter,
            } => self.of_values((entity, alias), *field, *quantifier, filter)?,
            Filter::Key { fields, operands } => {
                let columns = self.columns(entity, fields, alias);
                if columns.len() != operands.len() {
                    let text = format!("the key of {} has {} parts", self.entity(entity).name, columns.len());
                    return Err(StoreError::Internal(text));
                }
                let pairs = columns.iter().zip(operands);
                let parts: Vec<String> = pairs
                    .map(|(column, operand)| self.compare(column, Compare::Eq, operand))
                    .collect();
                format!("({})", parts.join(" AND "))
            }
        })
    }

    fn all_of(
        &mut self,
        entity: EntityId,
        alias: &str,
        filters: &[Filter],
        between: &str,
        empty: &str,
    ) -> Result<String, StoreError> {
        let parts: Result<Vec<String>, StoreError> = filters
            .iter()
            .map(|filter| self.filter(entity, alias, filter))
            .collect();
        let parts = parts?;
        Ok(if parts.is_empty() {
            empty.to_owned()
        } else {
            format!("({})", parts.join(between))
        })
    }

    pub(crate) fn compare(&mut self, column: &ColumnAt, compare: Compare, operand: &Operand) -> String {
        let sign = match compare {
            Compare::Eq => "=",
            Compare::Gt => ">",
            Compare::Gte => ">=",
            Compare::Lt => "<",
            Compare::Lte => "<=",
        };
        let param = self.bind(operand, BindForm::Column(column.kind));
        format!("{}{}{sign}{param}", column.sql, self.dialect.collate(column.kind))
    }

    pub(crate) fn among(&mut self, column: &ColumnAt, operands: &[Operand]) -> String {
        if operands.is_empty() {
            return "FALSE".to_owned();
        }
        let params = operands.iter();
        let params: Vec<String> = params
            .map(|operand| self.bind(operand, BindForm::Column(column.kind)))
            .collect();
        let collate = self.dialect.collate(column.kind);
        format!("{}{collate} IN ({})", column.sql, params.join(","))
    }

    pub(crate) fn text(&mut self, column: &ColumnAt, test: TextTest, operand: &Operand) -> String {
        let param = self.bind(operand, BindForm::Test(test));
        let whole = self.dialect.takes_whole_patterns(test);
        let whole = whole.then(|| self.bind(operand, BindForm::Whole));
        self.dialect.text_test(&column.sql, test, &param, whole.as_deref())
    }

    /// A value or link that is not stated; of the other side's relations, one without rows.
    fn is_null(&mut self, entity: EntityId, alias: &str, field: FieldId) -> Result<String, StoreError> {
        let columns = self.columns(entity, &[field], alias);
        if columns.is_empty() {
            let step = self.step(entity, field, alias)?;
            return Ok(format!(
                "NOT EXISTS (SELECT 1 FROM {} WHERE {})",
                step.from,
                step.conditions.join(" AND ")
            ));
        }
        let parts: Vec<String> = columns.iter().map(|column| format!("{} IS NULL", column.sql)).collect();
        Ok(format!("({})", parts.join(" OR ")))
    }

    fn exists(
        &mut self,
        entity: EntityId,
        alias: &str,
        field: FieldId,
        quantifier: Quantifier,
        filter: &Filter,
    ) -> Result<String, StoreError> {
        if let Some(walks) = self.walks_to((entity, field), alias, (quantifier, filter))? {
            return Ok(walks);
        }
        let step = self.step(entity, field, alias)?;
        let mut conditions = step.conditions;
        let inner = self.filter(step.entity, &step.alias, filter)?;
        let (exists, inner) = self.quantified(quantifier, inner);
        conditions.push(inner);
        Ok(format!(
            "{exists} (SELECT 1 FROM {} WHERE {})",
            step.from,
            conditions.join(" AND ")
        ))
    }

    /// A condition on the items of a list of values. A list that is null has none.
    fn of_values(
        &mut self,
        (entity, alias): (EntityId, &str),
        field: FieldId,
        quantifier: Quantifier,
        filter: &Filter,
    ) -> Result<String, StoreError> {
        let document = self.column(entity, field, alias)?.sql;
        let element = self.alias();
        let elements = self.dialect.elements(&document, &element);
        self.items.push((field, format!("{element}.value")));
        let inner = self.filter(entity, alias, filter);
        self.items.pop();
        let (exists, inner) = self.quantified(quantifier, inner?);
        Ok(format!("{exists} (SELECT 1 FROM {elements} WHERE {inner})"))
    }

    fn quantified(&self, quantifier: Quantifier, inner: String) -> (&'static str, String) {
        match quantifier {
            Quantifier::Some => (self.exists_word(), inner),
            Quantifier::None => ("NOT EXISTS", inner),
            Quantifier::Every => ("NOT EXISTS", format!("({inner}) IS NOT TRUE")),
        }
    }

    pub(crate) fn exists_word(&self) -> &'static str {
        match self.skips_rows {
            true => self.dialect.exists_beside_offset(),
            false => "EXISTS",
        }
    }
}
