//! What is given by what is computed of many values. Knows scalars; no rows.

use super::{function::Function, model::Leaf};
use crate::value::Scalar;

impl Function {
    /// All of them.
    pub const ALL: [Function; 5] = [
        Function::CountDistinct,
        Function::Sum,
        Function::Avg,
        Function::Min,
        Function::Max,
    ];

    /// What it gives of such values; none where it says nothing of them. Sums and means are wide
    /// enough to be exact, but for those of doubles.
    pub fn of(self, leaf: Leaf) -> Option<Scalar> {
        let scalar = match leaf {
            Leaf::Scalar(scalar) => Some(scalar),
            Leaf::Enum(_) => None,
        };
        match (self, scalar) {
            (Function::CountDistinct, Some(Scalar::Json)) => None,
            (Function::CountDistinct, _) => Some(Scalar::Int),
            (Function::Min | Function::Max, scalar) => scalar.filter(|scalar| scalar.is_ordered()),
            (Function::Sum, Some(Scalar::Int)) => Some(Scalar::BigInt),
            (Function::Avg, Some(Scalar::Int)) => Some(Scalar::Float),
            (Function::Sum | Function::Avg, Some(Scalar::BigInt | Scalar::Decimal)) => Some(Scalar::Decimal),
            (Function::Sum | Function::Avg, Some(Scalar::Float)) => Some(Scalar::Float),
            (Function::Sum | Function::Avg, Some(Scalar::Duration)) => Some(Scalar::Duration),
            (Function::Sum | Function::Avg, _) => None,
        }
    }
}
