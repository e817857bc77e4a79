//! Lists that are searched for values: each taken apart once for all operands, or found by the
//! index of their items. Knows how an index is used without harm; no other filters.
//!
//! Where items are kept in a table, the database does not choose by how many rows an operand has,
//! so the statement does: rows that are many are not collected first, because those that are wanted
//! may be found sooner one by one.

use crate::{
    catalog::{EntityId, FieldId, FieldKind, Leaf},
    layout::ROW_COLUMN,
    query::Operand,
    store::error::StoreError,
    value::Scalar,
};

use super::{
    compiler::Compiler,
    items::{self, Items, Search},
    statement::BindForm,
};

impl Compiler<'_> {
    /// Whether a list of the row under `alias` has all (or any) of the operands.
    pub(crate) fn has(
        &mut self,
        entity: EntityId,
        alias: &str,
        field: FieldId,
        all: bool,
        operands: &[Operand],
    ) -> Result<String, StoreError> {
        let search = self.search(entity, alias, field, all, operands)?;
        let list = self.tables(entity).list_of(field);
        if search.params.is_empty() {
            return Ok(self.taken_apart(&search));
        }
        let test = list.and_then(|list| self.dialect.list_test(&search.list, list.items, all, &search.params));
        if let Some(test) = test {
            return Ok(test);
        }
        Ok(match Items::of(self, entity, field, &search) {
            Some(items) => self.in_items(alias, &items, &search),
            None => self.taken_apart(&search),
        })
    }

    pub(crate) fn search(
        &mut self,
        entity: EntityId,
        alias: &str,
        field: FieldId,
        all: bool,
        operands: &[Operand],
    ) -> Result<Search, StoreError> {
        let list = self.column(entity, field, alias)?.sql;
        let FieldKind::Leaf { leaf, .. } = &self.entity(entity).field(field).kind else {
            let text = "only a list of leaves can be searched for values";
            return Err(StoreError::Internal(text.to_owned()));
        };
        let scalar = match leaf {
            Leaf::Scalar(scalar) => *scalar,
            Leaf::Enum(_) => Scalar::String,
        };
        let params = operands
            .iter()
            .map(|operand| self.bind(operand, BindForm::Wire(scalar)));
        let params = params.collect();
        Ok(Search { list, all, params })
    }

    /// The list is taken apart once for all operands.
    pub(crate) fn taken_apart(&mut self, search: &Search) -> String {
        let element = self.alias();
        let elements = self.dialect.elements(&search.list, &element);
        let params = &search.params;
        let found = format!("FROM {elements} WHERE {element}.value IN ({})", params.join(","));
        match (search.all, params.len()) {
            (true, 0) => format!("{} IS NOT NULL", search.list),
            (false, 0) => "FALSE".to_owned(),
            (false, _) | (true, 1) => format!("{} (SELECT 1 {found})", self.exists_word()),
            (true, _) => format!(
                "(SELECT count(DISTINCT {element}.value) {found})={}",
                items::wanted(params)
            ),
        }
    }

    /// The rows that the items name, unless they are many.
    fn in_items(&mut self, alias: &str, items: &Items, search: &Search) -> String {
        let (many, rows) = (items.many(&[]), &items.rows);
        let (apart, row) = (self.taken_apart(search), self.name(alias, ROW_COLUMN));
        format!("CASE WHEN {many} THEN {apart} ELSE {row} IN ({rows}) END")
    }
}
