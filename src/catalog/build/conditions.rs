//! Conditions on rows by their own fields, as `where` in a query has them. Knows the operators of
//! each type; not what the conditions are for.

use super::{
    Builder,
    plan::{Meaning, Shape},
};
use crate::{
    catalog::{Catalog, Compare, Condition, EntityId, FieldId, Leaf, TextTest, ends_open},
    definition::{Fault, Literal, LiteralKind, Spanned, did_you_mean},
    value::{Scalar, Value},
};

/// Values that all conditions of one `where` compare with: they are bound in each statement of each
/// commit, and SQLite binds 32,766.
const OPERANDS_MAX: usize = 1_000;

/// A field that is compared, and how.
struct Operator<'l> {
    field: FieldId,
    leaf: Leaf,
    list: bool,
    name: &'l Spanned<String>,
    operand: &'l Literal,
}

impl Builder<'_> {
    /// The conditions of a `where`, which have a bound together.
    pub(super) fn bounded_conditions(
        &mut self,
        target: EntityId,
        object: &Literal,
        catalog: &Catalog,
    ) -> Option<Condition> {
        let count = values(object);
        if count > OPERANDS_MAX {
            let message = format!("`where` compares with {count} values, and {OPERANDS_MAX} are the most");
            let fault = Fault::at(object.span.clone(), message);
            self.fault(fault.hint("have a field of the rows say it, made with @select(jq:), and compare that"));
            return None;
        }
        self.conditions(target, object, catalog)
    }

    /// An object of conditions, all of which must hold.
    fn conditions(&mut self, target: EntityId, object: &Literal, catalog: &Catalog) -> Option<Condition> {
        let LiteralKind::Object(members) = &object.kind else {
            let fault = Fault::at(object.span.clone(), "expected conditions in braces");
            self.fault(fault.hint("such as {kind: {eq: \"A\"}}"));
            return None;
        };
        let before = self.faults.len();
        let mut all = Vec::new();
        for (name, value) in members {
            let condition = match name.value.as_str() {
                "and" => self.several(target, value, catalog).map(Condition::And),
                "or" => self.several(target, value, catalog).map(Condition::Or),
                "not" => {
                    let inner = self.conditions(target, value, catalog);
                    inner.map(|inner| Condition::Not(Box::new(inner)))
                }
                _ => self.condition(target, name, value, catalog),
            };
            all.extend(condition);
        }
        (self.faults.len() == before).then(|| joined(all))
    }

    fn several(&mut self, target: EntityId, list: &Literal, catalog: &Catalog) -> Option<Vec<Condition>> {
        let items = list.items().iter();
        items.map(|item| self.conditions(target, item, catalog)).collect()
    }

    /// The conditions on one field.
    fn condition(
        &mut self,
        target: EntityId,
        name: &Spanned<String>,
        operators: &Literal,
        catalog: &Catalog,
    ) -> Option<Condition> {
        let declared = self.plan.entity(target).definition;
        let at = self.field_of(declared, &name.value, &name.span)?;
        let field = declared.fields.get(at)?;
        let shown = format!("`{}.{}`", declared.name.value, name.value);
        let own = "conditions are on scalars, enums and lists of the rows themselves";
        let (message, hint) = match (self.plan.shape(field), self.plan.meaning(&field.ty.name)) {
            (Shape::Broken, _) => return None,
            _ if field.has("rollup") => (format!("{shown} is a rollup, and no rollup goes by another"), own),
            (Shape::Leaf, Some(Meaning::Leaf(leaf))) => {
                let LiteralKind::Object(members) = &operators.kind else {
                    let fault = Fault::at(operators.span.clone(), format!("expected an operator for {shown}"));
                    self.fault(fault.hint(format!("such as {{{}: {{isNull: false}}}}", name.value)));
                    return None;
                };
                let mut all = Vec::new();
                for (operator, operand) in members {
                    let operator = Operator {
                        field: FieldId(at as u32),
                        leaf,
                        list: field.ty.list.is_some(),
                        name: operator,
                        operand,
                    };
                    all.push(self.operator(&operator, catalog)?);
                }
                return Some(joined(all));
            }
            (Shape::Value, _) => (format!("{shown} is a value object"), own),
            _ => (
                format!("{shown} leads to other rows, whose changes no rollup follows"),
                own,
            ),
        };
        self.fault(Fault::at(name.span.clone(), message).hint(hint));
        None
    }

    fn operator(&mut self, of: &Operator<'_>, catalog: &Catalog) -> Option<Condition> {
        let known = operators(of.leaf, of.list);
        let name = of.name.value.as_str();
        if !known.contains(&name) {
            let fault = Fault::at(of.name.span.clone(), format!("there is no `{name}` for this field"));
            self.fault(match did_you_mean(name, known.iter().copied()) {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None => fault.hint(format!("it has {}", known.join(", "))),
            });
            return None;
        }
        let field = of.field;
        if let Some(test) = TextTest::named(name) {
            let LiteralKind::Text(text) = &of.operand.kind else {
                return self.misfit(of.operand, "a text");
            };
            let text = text.clone();
            if matches!(test, TextTest::Like | TextTest::ILike) && ends_open(&text) {
                let fault = Fault::at(
                    of.operand.span.clone(),
                    "the pattern ends in a `\\` with nothing behind it",
                );
                self.fault(fault.hint("write it twice for a backslash"));
                return None;
            }
            return Some(Condition::Text { field, test, text });
        }
        Some(match name {
            "isNull" => match of.operand.as_bool() {
                Some(wanted) => negated(!wanted, Condition::IsNull { field }),
                None => return self.misfit(of.operand, "true or false"),
            },
            "in" | "notIn" => {
                let values = self.operands(of, catalog)?;
                negated(name == "notIn", Condition::In { field, values })
            }
            "has" => Condition::Has {
                field,
                all: true,
                values: vec![self.operand(of.leaf, of.operand, catalog)?],
            },
            "hasSome" | "hasEvery" => Condition::Has {
                field,
                all: name == "hasEvery",
                values: self.operands(of, catalog)?,
            },
            _ => {
                let value = self.operand(of.leaf, of.operand, catalog)?;
                let compare = compare(name);
                negated(name == "ne", Condition::Compare { field, compare, value })
            }
        })
    }

    fn operands(&mut self, of: &Operator<'_>, catalog: &Catalog) -> Option<Vec<Value>> {
        let items = of.operand.items().iter();
        items.map(|item| self.operand(of.leaf, item, catalog)).collect()
    }

    fn operand(&mut self, leaf: Leaf, operand: &Literal, catalog: &Catalog) -> Option<Value> {
        match (leaf, &operand.kind) {
            (Leaf::Enum(id), LiteralKind::Enum(name)) => {
                let values = &catalog.enumeration(id).values;
                if values.iter().any(|value| value.name == *name) {
                    return Some(Value::Text(name.clone()));
                }
                let of = &catalog.enumeration(id).name;
                let fault = Fault::at(operand.span.clone(), format!("`{of}` has no value `{name}`"));
                let near = did_you_mean(name, values.iter().map(|value| value.name.as_str()));
                self.fault(match near {
                    Some(near) => fault.hint(format!("did you mean `{near}`?")),
                    None => fault.hint(format!("name a value of `{of}`")),
                });
                None
            }
            (Leaf::Enum(id), _) => {
                let expected = format!("a value of `{}`, without quotes", catalog.enumeration(id).name);
                self.misfit(operand, &expected)
            }
            (Leaf::Scalar(scalar), kind) => match json(kind).map(|json| scalar.from_input(&json)) {
                Some(Ok(value)) => Some(value),
                Some(Err(error)) => self.misfit(operand, error.expected),
                None => self.misfit(operand, "one value"),
            },
        }
    }

    fn misfit<T>(&mut self, operand: &Literal, expected: &str) -> Option<T> {
        let fault = Fault::at(operand.span.clone(), "the value does not fit its field");
        self.fault(fault.label(format!("expected {expected}")));
        None
    }
}

/// How many values stand in a literal.
fn values(literal: &Literal) -> usize {
    match &literal.kind {
        LiteralKind::Object(members) => members.iter().map(|(_, value)| values(value)).sum(),
        LiteralKind::List(items) => items.iter().map(values).sum(),
        _ => 1,
    }
}

/// The operators of a type, as the served API has them.
fn operators(leaf: Leaf, list: bool) -> Vec<&'static str> {
    let scalar = match leaf {
        Leaf::Scalar(scalar) => Some(scalar),
        Leaf::Enum(_) => None,
    };
    let mut known = Vec::new();
    if scalar != Some(Scalar::Json) {
        known.extend(match list {
            true => ["has", "hasSome", "hasEvery"].as_slice(),
            false => &["eq", "ne", "in", "notIn"],
        });
    }
    if !list && scalar.is_some_and(Scalar::is_ordered) {
        known.extend(["gt", "gte", "lt", "lte"]);
    }
    if !list && scalar.is_some_and(Scalar::is_textual) {
        known.extend(TextTest::ALL.map(TextTest::name));
    }
    known.push("isNull");
    known
}

fn compare(name: &str) -> Compare {
    match name {
        "gt" => Compare::Gt,
        "gte" => Compare::Gte,
        "lt" => Compare::Lt,
        "lte" => Compare::Lte,
        _ => Compare::Eq,
    }
}

fn negated(negate: bool, condition: Condition) -> Condition {
    match negate {
        true => Condition::Not(Box::new(condition)),
        false => condition,
    }
}

/// One condition needs no `And` around it.
fn joined(mut all: Vec<Condition>) -> Condition {
    match (all.len(), all.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            all.extend(last);
            Condition::And(all)
        }
    }
}

/// A single value as the JSON that a client would send.
fn json(kind: &LiteralKind) -> Option<serde_json::Value> {
    match kind {
        LiteralKind::Text(text) => Some(text.as_str().into()),
        LiteralKind::Int(number) => Some((*number).into()),
        LiteralKind::Float(number) => Some((*number).into()),
        LiteralKind::Boolean(value) => Some((*value).into()),
        LiteralKind::Null | LiteralKind::Enum(_) | LiteralKind::List(_) | LiteralKind::Object(_) => None,
    }
}
