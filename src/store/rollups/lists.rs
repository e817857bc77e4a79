//! Statements about many rows by their numbers, some hundred of them at a time. Knows parameters;
//! no rollup.

use crate::store::{
    db::{params::Kind, pool::ResultRow, rows::Rows},
    error::StoreError,
    read::{operands::operands, statement::Bind},
    tx::Transaction,
};

/// Room for the operands of a condition beside the numbers of rows, by which a statement is cut.
const WIDTH: usize = 8;

/// Runs a statement that is made for a list of numbers, which stands in brackets in it, until all
/// rows had their turn; `binds` are its operands before them. Gives all that it returns.
pub(super) async fn for_rows(
    tx: &mut Transaction<'_>,
    binds: &[Bind],
    rows: &[i64],
    statement: impl Fn(&str) -> String + Send,
) -> Result<Vec<ResultRow>, StoreError> {
    let dialect = tx.context.dialect;
    let (mut rest, mut found) = (rows, Vec::new());
    for size in dialect.row_sizes(rows.len(), WIDTH) {
        let (chunk, others) = rest.split_at(size.min(rest.len()));
        rest = others;
        let mut wanted = Rows::new(operands(binds, &[], dialect)?, &[Kind::Int], chunk.len());
        chunk.iter().try_for_each(|row| wanted.int(*row))?;
        let list = dialect.numbers(binds.len() + 1, chunk.len());
        found.extend(tx.all(wanted.bind()?, statement(&list)).await?);
    }
    Ok(found)
}
