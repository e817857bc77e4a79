//! Going through a read: a visitor looks at its parts, a rewriter changes them. Knows what is part
//! of what; no purpose.
//!
//! Whoever makes something new of a read (SQL, words, an estimate) matches on its parts itself;
//! whoever only looks for some of them comes here, so that a new part is found by all.

use super::{
    filter::{Filter, Operand},
    grouped::Grouped,
    read::{Connection, ConnectionValue, EdgeValue, Order, Output, OutputValue, Place, Select},
    roots::{Read, RootValue},
};
use crate::catalog::{EntityId, FieldId};

/// Rows that a part of a read is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// Those of a select.
    Rows(EntityId),
    /// Those behind a field of the rows before.
    Behind(FieldId),
}

/// Looks at the parts of a read, at each before those below it.
pub(crate) trait Visitor {
    /// What comes until [`Visitor::leave`] is about these rows.
    fn enter(&mut self, _to: To) {}
    fn leave(&mut self) {}
    fn output(&mut self, _output: &Output) {}
    fn filter(&mut self, _filter: &Filter) {}
    fn order(&mut self, _order: &Order) {}
}

pub(crate) fn visit_read(read: &Read, visitor: &mut impl Visitor) {
    read.roots.iter().for_each(|root| visit_root(&root.value, visitor));
}

pub(crate) fn visit_root(root: &RootValue, visitor: &mut impl Visitor) {
    match root {
        RootValue::One(select) | RootValue::Many(select) => visit_select(select, visitor),
        RootValue::Connection(connection) => visit_connection(connection, visitor),
        RootValue::Grouped(grouped) => visit_grouped(grouped, visitor),
        RootValue::Past(past) => visit_root(&past.value, visitor),
        RootValue::Versions(versions) => {
            visitor.enter(To::Rows(versions.select.entity));
            visit_rows(&versions.select, visitor);
            versions.rows().for_each(|outputs| visit_outputs(outputs, visitor));
            visitor.leave();
        }
        RootValue::Freshness(_) | RootValue::Json(_) => {}
    }
}

pub(crate) fn visit_select(select: &Select, visitor: &mut impl Visitor) {
    visitor.enter(To::Rows(select.entity));
    visit_rows(select, visitor);
    visit_outputs(&select.output, visitor);
    visitor.leave();
}

fn visit_connection(connection: &Connection, visitor: &mut impl Visitor) {
    visitor.enter(To::Rows(connection.select.entity));
    visit_rows(&connection.select, visitor);
    // A field of which something is computed is read like one that is given out.
    for (key, field) in connection.aggregated() {
        let (key, value) = (key.to_owned(), OutputValue::Leaf(field));
        visitor.output(&Output { key, value });
    }
    for outputs in connection.rows() {
        visit_outputs(outputs, visitor);
    }
    visitor.leave();
}

fn visit_grouped(grouped: &Grouped, visitor: &mut impl Visitor) {
    visitor.enter(To::Rows(grouped.select.entity));
    visit_rows(&grouped.select, visitor);
    // A test of what is computed of a field looks at texts as one of the field does.
    grouped.texts(None).iter().for_each(|filter| visitor.filter(filter));
    grouped.orders().iter().for_each(|order| visitor.order(order));
    visit_outputs(&grouped.read(), visitor);
    visitor.leave();
}

fn visit_rows(select: &Select, visitor: &mut impl Visitor) {
    if let Some(filter) = &select.filter {
        visit_filter(filter, visitor);
    }
    select.order.iter().for_each(|order| visitor.order(order));
}

pub(crate) fn visit_outputs(outputs: &[Output], visitor: &mut impl Visitor) {
    for output in outputs {
        visitor.output(output);
        match &output.value {
            OutputValue::One { field, output } => {
                visitor.enter(To::Behind(*field));
                visit_outputs(output, visitor);
                visitor.leave();
            }
            OutputValue::Many { select, .. } => visit_select(select, visitor),
            OutputValue::Connection { connection, .. } => visit_connection(connection, visitor),
            OutputValue::Text(_)
            | OutputValue::NodeId(_)
            | OutputValue::Leaf(_)
            | OutputValue::Value { .. }
            | OutputValue::Matches(_) => {}
        }
    }
}

pub(crate) fn visit_filter(filter: &Filter, visitor: &mut impl Visitor) {
    visitor.filter(filter);
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().for_each(|filter| visit_filter(filter, visitor)),
        Filter::Not(filter) | Filter::Items { filter, .. } => visit_filter(filter, visitor),
        Filter::One { field, filter } | Filter::Many { field, filter, .. } => {
            visitor.enter(To::Behind(*field));
            visit_filter(filter, visitor);
            visitor.leave();
        }
        Filter::Compare { .. }
        | Filter::In { .. }
        | Filter::IsNull { .. }
        | Filter::Text { .. }
        | Filter::Json { .. }
        | Filter::Search { .. }
        | Filter::Has { .. }
        | Filter::Key { .. } => {}
    }
}

/// Changes the parts of a read, in the order in which a visitor sees them.
pub(crate) trait Rewriter {
    fn operand(&mut self, _operand: &mut Operand) {}
}

pub(crate) fn rewrite_select(select: &mut Select, rewriter: &mut impl Rewriter) {
    rewrite_rows(select, rewriter);
    rewrite_outputs(&mut select.output, rewriter);
}

fn rewrite_connection(connection: &mut Connection, rewriter: &mut impl Rewriter) {
    rewrite_rows(&mut connection.select, rewriter);
    for Place(operands) in [&mut connection.after, &mut connection.before].into_iter().flatten() {
        operands.iter_mut().for_each(|operand| rewriter.operand(operand));
    }
    for member in &mut connection.output {
        match &mut member.value {
            ConnectionValue::Nodes(outputs) => rewrite_outputs(outputs, rewriter),
            ConnectionValue::Edges(edges) => {
                for edge in edges {
                    if let EdgeValue::Node(outputs) = &mut edge.value {
                        rewrite_outputs(outputs, rewriter);
                    }
                }
            }
            ConnectionValue::Text(_)
            | ConnectionValue::PageInfo(_)
            | ConnectionValue::TotalCount
            | ConnectionValue::Aggregate(_) => {}
        }
    }
}

fn rewrite_rows(select: &mut Select, rewriter: &mut impl Rewriter) {
    if let Some(filter) = &mut select.filter {
        rewrite_filter(filter, rewriter);
    }
    let counts = [&mut select.first, &mut select.offset].into_iter().flatten();
    counts.for_each(|count| rewriter.operand(count));
}

pub(crate) fn rewrite_outputs(outputs: &mut [Output], rewriter: &mut impl Rewriter) {
    for output in outputs {
        match &mut output.value {
            OutputValue::One { output, .. } => rewrite_outputs(output, rewriter),
            OutputValue::Many { select, .. } => rewrite_select(select, rewriter),
            OutputValue::Connection { connection, .. } => rewrite_connection(connection, rewriter),
            OutputValue::Matches(matches) => matches.operands().for_each(|operand| rewriter.operand(operand)),
            OutputValue::Text(_) | OutputValue::NodeId(_) | OutputValue::Leaf(_) | OutputValue::Value { .. } => {}
        }
    }
}

pub(crate) fn rewrite_filter(filter: &mut Filter, rewriter: &mut impl Rewriter) {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => {
            filters.iter_mut().for_each(|filter| rewrite_filter(filter, rewriter));
        }
        Filter::Not(filter)
        | Filter::One { filter, .. }
        | Filter::Many { filter, .. }
        | Filter::Items { filter, .. } => rewrite_filter(filter, rewriter),
        Filter::Compare { operand, .. } | Filter::Text { operand, .. } | Filter::Search { operand, .. } => {
            rewriter.operand(operand);
        }
        Filter::In { operands, .. } | Filter::Has { operands, .. } | Filter::Key { operands, .. } => {
            operands.iter_mut().for_each(|operand| rewriter.operand(operand));
        }
        Filter::Json { test, .. } => test
            .operands_mut()
            .iter_mut()
            .for_each(|operand| rewriter.operand(operand)),
        Filter::IsNull { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        query::{Aggregate, AggregateValue, Aggregated, Function, Member, renumber},
        value::Value,
    };

    fn compare(field: u32, operand: Operand) -> Filter {
        Filter::Key {
            fields: vec![FieldId(field)],
            operands: vec![operand],
        }
    }

    fn select(filter: Filter) -> Select {
        Select {
            entity: EntityId(1),
            filter: Some(filter),
            order: vec![],
            first: Some(Operand::Param(9)),
            offset: Some(Operand::Param(5)),
            output: vec![],
        }
    }

    fn output(value: OutputValue) -> Output {
        Output {
            key: "key".to_owned(),
            value,
        }
    }

    #[derive(Default)]
    struct Told(Vec<String>);

    impl Visitor for Told {
        fn enter(&mut self, to: To) {
            self.0.push(format!("{to:?}"));
        }
        fn leave(&mut self) {
            self.0.push("back".to_owned());
        }
        fn filter(&mut self, filter: &Filter) {
            if let Filter::Key { fields, .. } = filter {
                self.0.push(format!("key {}", fields[0].index()));
            }
        }
    }

    fn outputs() -> Vec<Output> {
        let behind = Filter::Not(Box::new(Filter::One {
            field: FieldId(3),
            filter: Box::new(compare(4, Operand::Param(7))),
        }));
        let filter = Filter::And(vec![compare(2, Operand::Value(Value::Null)), behind]);
        let many = OutputValue::Many {
            field: FieldId(6),
            select: select(filter),
        };
        vec![output(OutputValue::One {
            field: FieldId(8),
            output: vec![output(many)],
        })]
    }

    #[test]
    fn a_visitor_knows_where_it_is() {
        let mut told = Told::default();
        visit_outputs(&outputs(), &mut told);
        let want = [
            "Behind(FieldId(8))",
            "Rows(EntityId(1))",
            "key 2",
            "Behind(FieldId(3))",
            "key 4",
            "back",
            "back",
            "back",
        ];
        assert_eq!(told.0, want);
    }

    /// Pages of rows whose prices are added up, behind one place and before another.
    fn connection() -> OutputValue {
        fn member<T>(value: T) -> Member<T> {
            let key = "sum".to_owned();
            Member { key, value }
        }
        let price = Member {
            key: "price".to_owned(),
            value: Aggregated::Field(FieldId(4)),
        };
        let sums = Aggregate(vec![member(AggregateValue::Of(Function::Sum, vec![price]))]);
        OutputValue::Connection {
            field: FieldId(6),
            connection: Connection {
                select: select(compare(2, Operand::Param(7))),
                backwards: false,
                after: Some(Place(vec![Operand::Param(3), Operand::Value(Value::Null)])),
                before: Some(Place(vec![Operand::Param(8)])),
                signature: "s".to_owned(),
                output: vec![member(ConnectionValue::Aggregate(sums))],
            },
        }
    }

    #[test]
    fn places_are_operands_and_what_is_computed_is_read() {
        let mut outputs = vec![output(connection())];
        assert_eq!(renumber(&mut outputs), [7, 9, 5, 3, 8]);
        struct Leaves(Vec<FieldId>);
        impl Visitor for Leaves {
            fn output(&mut self, output: &Output) {
                if let OutputValue::Leaf(field) = output.value {
                    self.0.push(field);
                }
            }
        }
        let mut leaves = Leaves(Vec::new());
        visit_outputs(&outputs, &mut leaves);
        assert_eq!(leaves.0, [FieldId(4)]);
    }

    #[test]
    fn every_operand_is_met() {
        let mut outputs = outputs();
        assert_eq!(renumber(&mut outputs), [7, 9, 5]);
        assert_eq!(renumber(&mut outputs), [0, 1, 2]);
    }
}
