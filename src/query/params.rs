//! The numbered parameters of a selection: which it has, and giving them other numbers. Knows the tree; no value.

use super::{Filter, Operand, Output, OutputValue, Select};

/// Numbers the parameters of a selection anew, from 0 in the order in which they are met, and gives their old numbers. Equal
/// selections are then equal, whatever else stands in their operations.
pub(crate) fn renumber(output: &mut [Output]) -> Vec<usize> {
    let mut old = Vec::new();
    each_of_output(output, &mut |operand| {
        if let Operand::Param(number) = operand {
            let known = old.iter().position(|known| known == number);
            let new = known.unwrap_or_else(|| {
                old.push(*number);
                old.len() - 1
            });
            *number = new;
        }
    });
    old
}

type Visit<'v> = &'v mut dyn FnMut(&mut Operand);

fn each_of_output(output: &mut [Output], visit: Visit) {
    for member in output {
        match &mut member.value {
            OutputValue::One { output, .. } => each_of_output(output, visit),
            OutputValue::Many { select, .. } => each_of_select(select, visit),
            OutputValue::Text(_) | OutputValue::Leaf(_) | OutputValue::Value { .. } => {}
        }
    }
}

fn each_of_select(select: &mut Select, visit: Visit) {
    if let Some(filter) = &mut select.filter {
        each_of_filter(filter, visit);
    }
    select.first.iter_mut().for_each(&mut *visit);
    select.offset.iter_mut().for_each(&mut *visit);
    each_of_output(&mut select.output, visit);
}

fn each_of_filter(filter: &mut Filter, visit: Visit) {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => {
            filters.iter_mut().for_each(|filter| each_of_filter(filter, visit));
        }
        Filter::Not(filter) | Filter::One { filter, .. } | Filter::Many { filter, .. } => each_of_filter(filter, visit),
        Filter::Compare { operand, .. } | Filter::Text { operand, .. } => visit(operand),
        Filter::In { operands, .. } | Filter::Has { operands, .. } | Filter::Key { operands, .. } => {
            operands.iter_mut().for_each(visit);
        }
        Filter::IsNull { .. } => {}
    }
}
