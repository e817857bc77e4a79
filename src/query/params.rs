//! The numbered parameters of a selection: which it has, and giving them other numbers. Knows no
//! value.

use super::{
    filter::Operand,
    read::Output,
    visit::{Rewriter, rewrite_outputs},
};

/// Numbers the parameters of a selection anew, from 0 in the order in which they are met, and gives
/// their old numbers. Equal selections are then equal, whatever else stands in their operations.
pub(crate) fn renumber(outputs: &mut [Output]) -> Vec<usize> {
    let mut numbers = Numbers::default();
    rewrite_outputs(outputs, &mut numbers);
    numbers.old
}

/// Old numbers, each at its new one.
#[derive(Default)]
struct Numbers {
    old: Vec<usize>,
}

impl Rewriter for Numbers {
    fn operand(&mut self, operand: &mut Operand) {
        if let Operand::Param(number) = operand {
            let known = self.old.iter().position(|known| known == number);
            let new = known.unwrap_or_else(|| {
                self.old.push(*number);
                self.old.len() - 1
            });
            *number = new;
        }
    }
}
