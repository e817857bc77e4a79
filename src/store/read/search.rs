//! Rows that have what is searched for, and how well they have it. Knows where a type's words are;
//! the expressions are the database's.

use crate::{
    catalog::EntityId,
    layout::{ColumnKind, ROW_COLUMN, WORDS_COLUMN},
    query::Operand,
    store::ddl::search,
    value::{Languages, Scalar},
};

use super::{
    compiler::{ColumnAt, Compiler},
    statement::BindForm,
};

impl Compiler<'_> {
    /// Whether the row under an alias has what is searched for.
    pub(crate) fn searched(&mut self, entity: EntityId, alias: &str, operand: &Operand) -> String {
        let param = self.bind(operand, BindForm::Search(self.languages(entity)));
        let table = search::table_name(&self.tables(entity).table.name);
        let (words, row) = (self.name(alias, WORDS_COLUMN), self.name(alias, ROW_COLUMN));
        let searches = self.dialect.searches();
        searches.found(&words, &row, &self.dialect.quote(&table), &param)
    }

    /// How well it has that; the best ones come first.
    pub(crate) fn rank(&mut self, entity: EntityId, alias: &str, operand: &Operand) -> ColumnAt {
        let param = self.bind(operand, BindForm::Rank(self.languages(entity)));
        let words = self.name(alias, WORDS_COLUMN);
        ColumnAt {
            sql: self.dialect.searches().rank(&words, &param),
            kind: ColumnKind::Scalar(Scalar::BigInt),
            nullable: false,
        }
    }

    fn languages(&self, entity: EntityId) -> Languages {
        self.tables(entity).table.languages().flatten().collect()
    }
}
