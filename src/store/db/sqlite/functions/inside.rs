//! Functions that look into a stored text: JSON at a place, and letters without their case. Knows
//! SQLite's function interface; no tables.

use rusqlite::{
    Connection, Error,
    functions::{Context, FunctionFlags},
};

use crate::value::{JsonPath, folded, json_has, json_items, json_key, json_text};

/// `hayloft_json(document,path)`: what stands there, as it is written.
pub(crate) const JSON: &str = "hayloft_json";
/// `hayloft_json_key(document,path)`: the same as a text that compares.
pub(crate) const KEY: &str = "hayloft_json_key";
/// `hayloft_json_text(document,path)`: the text that stands there.
pub(crate) const TEXT: &str = "hayloft_json_text";
/// `hayloft_json_member(document,path,name)`: whether an object with this member does.
pub(crate) const HAS_MEMBER: &str = "hayloft_json_member";
/// `hayloft_json_item(document,path,key)`: whether a list with an item of this key does.
pub(crate) const HAS_ITEM: &str = "hayloft_json_item";
/// `hayloft_folded(text)`: a text without the case of its letters.
pub(crate) const FOLDED: &str = "hayloft_folded";

/// `check` fails where the statement's time is over.
pub(super) fn install<C>(connection: &Connection, flags: FunctionFlags, check: C) -> Result<(), Error>
where
    C: Fn() -> Result<(), Error> + Clone + Send + 'static,
{
    let of = check.clone();
    connection.create_scalar_function(JSON, 2, flags, move |context| {
        of_place(context, &of, |json| Some(json.to_owned()))
    })?;
    let of = check.clone();
    connection.create_scalar_function(KEY, 2, flags, move |context| of_place(context, &of, json_key))?;
    let of = check.clone();
    connection.create_scalar_function(TEXT, 2, flags, move |context| of_place(context, &of, json_text))?;
    let of = check.clone();
    connection.create_scalar_function(HAS_MEMBER, 3, flags, move |context| {
        let name = context.get_raw(2).as_str_or_null()?.map(str::to_owned);
        of_place(context, &of, |json| name.map(|name| json_has(json, &name)))
    })?;
    let of = check.clone();
    connection.create_scalar_function(HAS_ITEM, 3, flags, move |context| {
        let key = context.get_raw(2).as_str_or_null()?.map(str::to_owned);
        of_place(context, &of, |json| {
            let items = json_items(json).unwrap_or_default();
            Some(key.is_some() && items.into_iter().any(|item| json_key(item) == key))
        })
    })?;
    connection.create_scalar_function(FOLDED, 1, flags, move |context| {
        check()?;
        let text = context.get_raw(0).as_str_or_null()?;
        Ok(text.map(folded))
    })
}

/// The path is read once for all rows of a statement.
fn of_place<T>(
    context: &Context<'_>,
    check: &impl Fn() -> Result<(), Error>,
    of: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Error> {
    check()?;
    let Some(document) = context.get_raw(0).as_str_or_null()? else {
        return Ok(None);
    };
    let path = context.get_or_create_aux(1, |path| -> Result<JsonPath, Error> {
        let path = JsonPath::from_json(path.as_str()?);
        path.ok_or_else(|| Error::UserFunctionError("no path into JSON".into()))
    })?;
    Ok(path.find(document).and_then(of))
}
