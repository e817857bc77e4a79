//! Conditions and orders by what stands at a place in a JSON value, and orders without case. Knows
//! which parameters they take; how a database looks into a text is told by its dialect.

use crate::{
    layout::ColumnKind,
    query::{Compare, Form, JsonTest, Operand, TextTest},
    store::db::inside::Place,
    value::{JsonPath, Scalar, Value},
};

use super::{
    compiler::{ColumnAt, Compiler},
    statement::BindForm,
};

const TEXT: ColumnKind = ColumnKind::Scalar(Scalar::String);

impl Compiler<'_> {
    pub(crate) fn json(&mut self, column: &ColumnAt, path: &JsonPath, test: &JsonTest) -> String {
        let steps = self.steps(path);
        let inside = self.dialect.inside();
        let place = Place {
            document: &column.sql,
            path,
            steps: &steps,
        };
        match test {
            JsonTest::Exists => format!("{} IS NOT NULL", inside.json(place)),
            JsonTest::IsNull => format!("nullif({},'null') IS NULL", inside.json(place)),
            JsonTest::Compare { compare, operand } => {
                let param = self.bind(operand, BindForm::JsonKey);
                compared(&inside.key(place), *compare, &param)
            }
            JsonTest::In { operands } if operands.is_empty() => "FALSE".to_owned(),
            JsonTest::In { operands } => {
                let params = operands.iter().map(|operand| self.bind(operand, BindForm::JsonKey));
                let params: Vec<String> = params.collect();
                format!("{} IN ({})", inside.key(place), params.join(","))
            }
            JsonTest::Text { test, operand } => self.json_text(inside.text(place), *test, operand),
            JsonTest::Has { operand } => {
                let key = self.bind(operand, BindForm::JsonKey);
                inside.has_item(place, &key)
            }
            JsonTest::HasKey { operand } => {
                let name = self.bind(operand, BindForm::Column(TEXT));
                inside.has_member(place, &name)
            }
        }
    }

    fn json_text(&mut self, sql: String, test: TextTest, operand: &Operand) -> String {
        let column = ColumnAt {
            sql,
            kind: TEXT,
            nullable: true,
        };
        self.text(&column, test, operand)
    }

    /// The parameters of a path.
    fn steps(&mut self, path: &JsonPath) -> Vec<String> {
        let steps = self.dialect.inside().steps(path).into_iter();
        let steps = steps.map(|step| {
            let kind = match step {
                Value::Int(_) => ColumnKind::Scalar(Scalar::BigInt),
                _ => TEXT,
            };
            self.bind(&Operand::Value(step), BindForm::Column(kind))
        });
        steps.collect()
    }

    /// A column in the form in which rows are ordered by it.
    pub(crate) fn formed(&mut self, column: ColumnAt, form: &Form) -> ColumnAt {
        let sql = match form {
            Form::Value => return column,
            Form::WithoutCase => self.dialect.inside().folded(&column.sql),
            Form::Json(path) => {
                let steps = self.steps(path);
                self.dialect.inside().key(Place {
                    document: &column.sql,
                    path,
                    steps: &steps,
                })
            }
        };
        ColumnAt {
            sql,
            kind: TEXT,
            nullable: column.nullable || *form != Form::WithoutCase,
        }
    }
}

/// A key beside that of an operand. What is of another kind is neither less nor more.
fn compared(key: &str, compare: Compare, param: &str) -> String {
    let sign = match compare {
        Compare::Eq => return format!("{key}={param}"),
        Compare::Gt => ">",
        Compare::Gte => ">=",
        Compare::Lt => "<",
        Compare::Lte => "<=",
    };
    format!("({key}{sign}{param} AND substr({key},1,1)=substr({param},1,1))")
}
