//! What a record has of a row that several fetches bring.

use bytes::Bytes;

use crate::{
    catalog,
    harvest::{json, shape::Shaper},
    layout::Layout,
    value::Row,
};

const DEFINITION: &str = r#"extend schema @source(name: "s", url: "http://localhost")
type Thing @fetch(source: "s", GET: "/things", rows: ".[]") {
  id: ID!
  name: String!
  fullName: String
  title: String @select(jq: ".names.en // .names.de")
  price: Float @select(jq: ".amount // 0")
  label: String @select(jq: "\"\\(.first) \\(.last)\"")
  total: Float @select(jq: ".net - .tax")
  count: Int @select(jq: ".rows | length")
  keys: Int @select(jq: "length")
  first: String @select(jq: "to_entries[] | select(.key == \"x\") | .value")
  size: Size
  words: [String!] @select(jq: ".words[].text")
  maker: Maker
  makers: [Maker!]! @ref(jq: ".makers[].id")
  parts: [Part!]! @nested(jq: ".parts[]")
}
type Size { width: Int }
type Part { thing: Thing! number: Int! @id text: String }
type Maker { id: ID! things: [Thing!]! @inverse(field: "maker") also: [Thing!]! @inverse(field: "makers") }
type Other @fetch(source: "s", GET: "/others", rows: ".[]") {
  id: ID! things: [Thing!]! @fetch(source: "s", GET: "/others/{$this.id}", rows: ".[]") }
"#;

/// The row that a record becomes, and the names of the fields that it does not have; or the reason
/// why it is none.
fn part(record: &str, owner: bool) -> Result<(Row, String), String> {
    let catalog = catalog::testing::catalog(DEFINITION);
    let layout = Layout::of(&catalog);
    let shaper = Shaper::new(&catalog, &layout);
    let id = catalog.entity_named("Thing").expect("the type");
    let record = json::parse(&Bytes::copy_from_slice(record.as_bytes()), 0).expect("a record");
    let (row, refused) = match owner {
        true => shaper.record(id, &record),
        false => shaper.part(id, &record),
    };
    let row = row.ok_or_else(|| refused[0].reason.clone())?;
    let part = row.part.as_ref().expect("others bring it, too");
    assert_eq!(part.owner, owner);
    let (entity, tables) = (catalog.entity(id), layout.entity(id));
    let absent = &part.absent;
    let columns = absent.values.iter().map(|at| tables.table.columns[*at].field);
    let joins = absent.links.iter().map(|at| tables.joins[*at].field);
    let nested = absent.children.iter().map(|at| tables.nested[*at].field);
    let names = columns
        .chain(joins)
        .chain(nested)
        .map(|field| entity.field(field).name.as_str());
    let names = names.collect::<Vec<_>>().join(" ");
    Ok((row, names))
}

#[test]
fn what_a_record_does_not_have() {
    let all = "name fullName title price label total count first size words maker makers parts";
    for (record, has) in [
        (r#"{"id":1}"#, ""),
        (r#"{"id":1,"name":"a","full_name":null}"#, "name fullName"),
        // One name of several, and null is a value.
        (r#"{"id":1,"names":{"de":"a"},"amount":null}"#, "title price"),
        (r#"{"id":1,"names":null}"#, "title"),
        // As much as the filter makes of it; nothing, or an error, is nothing when a key is
        // missing.
        (r#"{"id":1,"first":"a"}"#, "label"),
        (r#"{"id":1,"net":3}"#, ""),
        (r#"{"id":1,"net":3,"tax":1}"#, "total"),
        (r#"{"id":1,"rows":null,"x":"y"}"#, "count first"),
        (
            r#"{"id":1,"size":{},"words":[],"maker_id":null,"makers":null,"parts":[]}"#,
            "size words maker makers parts",
        ),
    ] {
        let (_, absent) = part(record, false).unwrap_or_else(|reason| panic!("{record}: {reason}"));
        let want = all.split(' ').filter(|name| !has.split(' ').any(|has| has == *name));
        assert_eq!(absent, want.collect::<Vec<_>>().join(" "), "{record}");
    }
}

#[test]
fn what_its_owner_has_to_say() {
    let (row, absent) = part(r#"{"id":1,"name":"a","parts":[{"number":1}]}"#, true).expect("a row");
    assert!(
        absent.starts_with("fullName title") && absent.ends_with("makers"),
        "{absent}"
    );
    let child = row.children[0][0].part.as_ref().expect("a part");
    assert_eq!((child.owner, child.absent.values.len()), (true, 1));
    assert!(row.hash & 1 == 0 && row.children[0][0].hash & 1 == 0);
    for (record, reason) in [
        (r#"{"id":1}"#, "name: required, but missing or null (looked for `name`)"),
        (r#"{"name":"a"}"#, "id: the key is missing or null (looked for `id`)"),
        (r#"{"id":1,"name":"a","net":{}}"#, "total: jq `.net - .tax`"),
    ] {
        let found = part(record, true).expect_err("no row");
        assert!(found.starts_with(reason), "{found}");
    }
    assert!(part(r#"{"name":"a"}"#, false).is_err(), "a part has its key");
}
