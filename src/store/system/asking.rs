//! Where a question is asked: on a reader, or inside a transaction. Knows no question.

use crate::store::{
    context::{self, Context},
    db::pool::ResultRow,
    error::StoreError,
    tx::Transaction,
};

pub(crate) enum Asking<'a, 'w> {
    Reader(&'a Context),
    Transaction(&'a mut Transaction<'w>),
}

impl Asking<'_, '_> {
    pub(crate) fn context(&self) -> &Context {
        match self {
            Asking::Reader(context) => context,
            Asking::Transaction(tx) => tx.context,
        }
    }

    /// A statement whose only parameter is the fetch's name.
    pub(crate) async fn all(&mut self, fetch: &str, sql: String) -> Result<Vec<ResultRow>, StoreError> {
        let mut params = self.context().params();
        params.add(fetch.to_owned())?;
        match self {
            Asking::Reader(context) => context::ask(context, params, sql).await,
            Asking::Transaction(tx) => tx.all(params, sql).await,
        }
    }
}
