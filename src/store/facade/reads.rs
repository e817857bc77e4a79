//! What callers ask for answers: statements compiled, run and explained, and figures for their
//! estimate.

use crate::{
    catalog::{EntityId, FieldId},
    query::{Output, Read},
    store::{
        Store,
        db::made::Bounds,
        error::StoreError,
        figures::read,
        load::deferred,
        read::{
            compiler,
            each::{self, Runs},
            run,
            statement::{KeyedStatement, Statement},
        },
        types::{Answer, Explanation, Figures, Loaded},
    },
    value::{Key, Value},
};

impl Store {
    /// Compiles a read to one statement. Pure; fails only beyond a database's own limits.
    pub(crate) fn compile(&self, read: &Read) -> Result<Statement, StoreError> {
        self.compiler().compile(read)
    }

    /// Runs a compiled read: one statement, one snapshot. `params` are the operands
    /// `Operand::Param(n)`.
    pub(crate) async fn read(&self, statement: &Statement, params: &[Value]) -> Result<Answer, StoreError> {
        deferred::ready(&self.context, &statement.types).await;
        run::read(&self.context, statement, params).await
    }

    /// Runs a compiled read with the values of each of these, one after the other: each is a
    /// statement and a snapshot of its own, as if it were read alone. The error is of one that does
    /// not end in its time; those behind it do not run.
    pub(crate) async fn read_each(&self, statement: &Statement, runs: impl Runs) -> Result<(), StoreError> {
        deferred::ready(&self.context, &statement.types).await;
        each::read_each(&self.context, statement, runs).await
    }

    /// Compiles a load of rows by key: `by` are the key (or one unique field) of the entity. `None`
    /// when it has too many operands to be joined with others.
    pub(crate) fn compile_keyed(
        &self,
        entity: EntityId,
        by: &[FieldId],
        output: &[Output],
    ) -> Result<Option<KeyedStatement>, StoreError> {
        self.compiler().compile_keyed(entity, by, output)
    }

    /// What statements of this store are compiled by.
    pub(crate) fn compiler(&self) -> compiler::Base<'_> {
        compiler::Base {
            catalog: &self.context.catalog,
            layout: &self.context.layout,
            dialect: self.context.dialect,
            bounds: self.context.readers.bounds(),
        }
    }

    /// What answers may have from now on, for all handles to these connections. What is compiled
    /// before keeps to what was said then.
    pub(crate) fn bound_answers(&self, bounds: Bounds) {
        self.context.readers.bound(bounds);
        self.context.lookups.bound(bounds);
    }

    /// Loads many rows by key in one statement. `params` are the operands `Operand::Param(n)` of
    /// what is selected, the same for all keys.
    pub(crate) async fn load(
        &self,
        statement: &KeyedStatement,
        params: &[Value],
        keys: &[Key],
    ) -> Result<Loaded, StoreError> {
        deferred::ready(&self.context, &statement.types).await;
        run::load(&self.context, statement, params, keys).await
    }

    /// The database's own plan for a statement.
    pub(crate) async fn explain(&self, statement: &Statement, params: &[Value]) -> Result<Explanation, StoreError> {
        run::explain(&self.context, statement, params).await
    }

    /// What is known of the rows of a type.
    pub(crate) async fn figures(&self, entity: EntityId) -> Result<Figures, StoreError> {
        read::read(&self.context, entity).await
    }

    /// Grows whenever this process has made statistics anew.
    pub(crate) fn statistics_made(&self) -> u64 {
        self.context.changed.made()
    }
}
