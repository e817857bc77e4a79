//! The parameters of an address: whole texts, or none. Knows their encoding; knows no name of one.

use axum::{extract::Query, http::Uri};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

/// The parameters, or what is wrong with them. What is no UTF-8 would be read as another text.
pub(super) fn of<T: DeserializeOwned>(uri: &Uri) -> Result<T, String> {
    let given = percent_decode_str(uri.query().unwrap_or_default()).decode_utf8();
    given.map_err(|_| "the parameters of the address are no UTF-8 once they are decoded".to_owned())?;
    let Query(given) = Query::<T>::try_from_uri(uri).map_err(|error| error.body_text())?;
    Ok(given)
}
