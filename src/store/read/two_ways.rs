//! Rows that are found in one of two ways, of which the statement chooses when it runs. Knows how
//! the other way is kept from beginning; not what leads the rows.

use crate::{
    catalog::EntityId,
    layout::ROW_COLUMN,
    query::{Filter, Operand, Select},
    store::error::StoreError,
};

use super::{compiler::Compiler, joins::Joins, statement::BindForm};

impl Compiler<'_> {
    /// The rows by the first way where `many` holds, and by the second one otherwise: each is the
    /// alias of the rows and a condition, beside the others.
    pub(crate) fn either(
        &mut self,
        select: &Select,
        many: &str,
        ways: [(String, String); 2],
        others: &[&Filter],
    ) -> Result<String, StoreError> {
        let (alias, found) = (self.alias(), self.alias());
        let [(one, by_one), (other, by_other)] = ways;
        let ways = [
            self.way(select, &one, by_one, others, true)?,
            self.way(select, &other, by_other, others, false)?,
        ];
        let from = format!(
            "(WITH _many(m) AS MATERIALIZED (SELECT {many}) {}) AS {found} {} {} ON TRUE",
            ways.join(" UNION ALL "),
            self.dialect.chain(),
            self.table(select.entity, &alias)
        );
        let conditions = vec![format!("{}={found}.r", self.name(&alias, ROW_COLUMN))];
        let outer = Select {
            first: None,
            offset: None,
            ..bare(select)
        };
        // The numbers come in the order of the one way that is gone, and a chain goes through its
        // first part in order: to sort the rows again would cost as much as to find them.
        let as_they_come = Some(String::new());
        self.select(&outer, &alias, &from, conditions, None, as_they_come)
    }

    /// The numbers of the rows, in order, that meet a condition and the others; none unless those
    /// that lead are (not) many.
    fn way(
        &mut self,
        select: &Select,
        alias: &str,
        condition: String,
        others: &[&Filter],
        many: bool,
    ) -> Result<String, StoreError> {
        let mut conditions = vec![condition];
        conditions.extend(self.each(select.entity, alias, others)?);
        let mut joins = Joins::default();
        let order = self.order(select, alias, (None, false), &mut joins)?;
        let count = |operand: Option<&Operand>, compiler: &mut Self| {
            operand.map(|operand| compiler.bind(operand, BindForm::Count))
        };
        let first = count(select.first.as_ref(), self).unwrap_or_else(|| self.dialect.no_limit().to_owned());
        let (yes, no) = if many {
            (first.as_str(), "0")
        } else {
            ("0", first.as_str())
        };
        let offset = count(select.offset.as_ref(), self).map_or(String::new(), |offset| format!(" OFFSET {offset}"));
        Ok(format!(
            "SELECT r FROM (SELECT {} AS r FROM {}{} WHERE {} ORDER BY {order} LIMIT CASE WHEN (SELECT m FROM _many) THEN {yes} ELSE {no} \
             END{offset})",
            self.name(alias, ROW_COLUMN),
            self.table(select.entity, alias),
            joins.sql(),
            conditions.join(" AND "),
        ))
    }

    fn each(&mut self, entity: EntityId, alias: &str, filters: &[&Filter]) -> Result<Vec<String>, StoreError> {
        filters
            .iter()
            .map(|filter| self.filter(entity, alias, filter))
            .collect()
    }
}

/// A select whose filter is compiled apart.
pub(crate) fn bare(select: &Select) -> Select {
    Select {
        filter: None,
        ..select.clone()
    }
}

/// The conditions that must all hold.
pub(crate) fn conjuncts<'f>(filter: Option<&'f Filter>, into: &mut Vec<&'f Filter>) {
    match filter {
        Some(Filter::And(filters)) => filters.iter().for_each(|filter| conjuncts(Some(filter), into)),
        Some(filter) => into.push(filter),
        None => {}
    }
}
