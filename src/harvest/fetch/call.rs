//! What is asked of an upstream: an address, and a body where there is one. Knows no templates and
//! no headers of a source.

use bytes::Bytes;
use reqwest::{Client, RequestBuilder, header};
use url::Url;

/// One request as it is sent.
#[derive(Clone, Debug)]
pub(in crate::harvest) struct Call {
    pub url: Url,
    pub by: By,
}

/// How an answer is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::harvest) enum By {
    Get,
    /// With this JSON, or without a body.
    Post(Option<Bytes>),
    /// By POST, with the fields of a form.
    Form(Bytes),
}

impl Call {
    /// Whether what is remembered of an answer can save its body: a condition on a POST would mean
    /// that it is not to be done at all (RFC 9110, 13.1.2).
    pub(in crate::harvest) fn is_conditional(&self) -> bool {
        self.by == By::Get
    }

    /// The request to an address, which is that of the call or where a redirect leads.
    pub(super) fn to(&self, client: &Client, url: Url, mut headers: header::HeaderMap) -> RequestBuilder {
        match &self.by {
            By::Get => client.get(url).headers(headers),
            By::Form(form) => {
                let kind = header::HeaderValue::from_static("application/x-www-form-urlencoded");
                headers.insert(header::CONTENT_TYPE, kind);
                client.post(url).headers(headers).body(form.clone())
            }
            By::Post(body) => {
                if body.is_some() {
                    let json = header::HeaderValue::from_static("application/json");
                    headers.entry(header::CONTENT_TYPE).or_insert(json);
                }
                let request = client.post(url).headers(headers);
                match body {
                    Some(body) => request.body(body.clone()),
                    // Some servers refuse one whose length is not said.
                    None => request.header(header::CONTENT_LENGTH, "0"),
                }
            }
        }
    }
}
