//! The conditions of rollups as reads have them. Knows both forms; no SQL.

use crate::{
    catalog::Condition,
    query::{Filter, Operand},
};

/// A condition as reads have it.
pub(super) fn filter(condition: &Condition) -> Filter {
    let all = |conditions: &[Condition]| conditions.iter().map(filter).collect();
    match condition {
        Condition::And(conditions) => Filter::And(all(conditions)),
        Condition::Or(conditions) => Filter::Or(all(conditions)),
        Condition::Not(condition) => Filter::Not(Box::new(filter(condition))),
        Condition::Compare { field, compare, value } => Filter::Compare {
            field: *field,
            compare: *compare,
            operand: Operand::Value(value.clone()),
        },
        Condition::In { field, values } => Filter::In {
            field: *field,
            operands: values.iter().cloned().map(Operand::Value).collect(),
        },
        Condition::IsNull { field } => Filter::IsNull { field: *field },
        Condition::Text { field, test, text } => Filter::Text {
            field: *field,
            test: *test,
            operand: Operand::Value(crate::value::Value::Text(text.clone())),
        },
        Condition::Has { field, all, values } => Filter::Has {
            field: *field,
            all: *all,
            operands: values.iter().cloned().map(Operand::Value).collect(),
        },
    }
}
