//! The cells of a table on a web page, as they lie: one for each row and column, however many of
//! these a cell spans. Knows tables; knows no records.

use scraper::ElementRef;

use super::words::text_of;

/// What a cell may span, as browsers have it.
const COLSPAN_MAX: usize = 1_000;
const ROWSPAN_MAX: usize = 65_534;

/// A row with the text of each column.
pub(super) struct Row<'a> {
    pub element: ElementRef<'a>,
    pub cells: Vec<String>,
    /// It stands in the head of the table, or its own cells are all of the kind of names.
    pub names: bool,
}

/// A cell of a row above that reaches into those below: for so many rows more.
struct Reaching {
    rows: usize,
    text: String,
}

/// The rows of a table, without those of tables in it and of its foot; at most so many columns of
/// each are kept.
pub(super) fn rows<'a>(table: ElementRef<'a>, columns_max: usize) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for part in table.child_elements() {
        match part.value().name() {
            "tr" => lay(part, false, &mut Vec::new(), columns_max, &mut rows),
            "thead" | "tbody" => {
                // Nothing reaches from one part of a table into another.
                let mut reaching = Vec::new();
                let head = part.value().name() == "thead";
                for row in part.child_elements().filter(|row| row.value().name() == "tr") {
                    lay(row, head, &mut reaching, columns_max, &mut rows);
                }
            }
            _ => {}
        }
    }
    rows
}

/// Lays out one row.
fn lay<'a>(
    row: ElementRef<'a>,
    head: bool,
    reaching: &mut Vec<Option<Reaching>>,
    columns_max: usize,
    rows: &mut Vec<Row<'a>>,
) {
    let mut cells: Vec<String> = Vec::new();
    let (mut own, mut names) = (0, 0);
    for cell in row.child_elements() {
        let is_name = match cell.value().name() {
            "th" => true,
            "td" => false,
            _ => continue,
        };
        (own, names) = (own + 1, names + usize::from(is_name));
        above(reaching, &mut cells);
        let text = text_of(cell);
        let down = span(cell, "rowspan", ROWSPAN_MAX);
        for _ in 0..span(cell, "colspan", COLSPAN_MAX).min(columns_max.saturating_sub(cells.len()) + 1) {
            let column = cells.len();
            if reaching.len() <= column {
                reaching.resize_with(column + 1, || None);
            }
            reaching[column] = (down > 1).then(|| Reaching {
                rows: down - 1,
                text: text.clone(),
            });
            cells.push(text.clone());
        }
        if cells.len() > columns_max {
            break;
        }
    }
    above(reaching, &mut cells);
    if own > 0 || !cells.is_empty() {
        rows.push(Row {
            element: row,
            cells,
            names: head || (own > 0 && own == names),
        });
    }
}

/// Takes over what reaches into the next columns from above.
fn above(reaching: &mut [Option<Reaching>], cells: &mut Vec<String>) {
    while let Some(slot) = reaching.get_mut(cells.len()) {
        let Some(cell) = slot else { return };
        cells.push(cell.text.clone());
        cell.rows -= 1;
        if cell.rows == 0 {
            *slot = None;
        }
    }
}

fn span(cell: ElementRef<'_>, name: &str, most: usize) -> usize {
    let said = cell.attr(name).and_then(|said| said.trim().parse().ok());
    said.unwrap_or(1).clamp(1, most)
}
