//! An answer and its bytes. Knows the response format of the specification; knows no HTTP status.

use bytes::Bytes;

use super::{ApiError, Code};

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It ran: the body has `data`.
    Ok,
    /// It was refused before it ran: the body has no `data`.
    RequestError,
    /// It is of a kind that this way of asking does not serve, such as a subscription in a GET request.
    NotAllowed,
    /// It ran and failed: the body has `data: null`.
    Failed,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiResponse(pub(super) Result<String, Vec<ApiError>>);

impl ApiResponse {
    pub fn kind(&self) -> Kind {
        match &self.0 {
            Ok(_) => Kind::Ok,
            Err(errors) => match errors.first().map(|error| error.code) {
                Some(Code::MethodNotAllowed) => Kind::NotAllowed,
                Some(code) if code.is_execution() => Kind::Failed,
                _ => Kind::RequestError,
            },
        }
    }

    /// The whole response body as JSON.
    pub fn body(&self) -> Bytes {
        match &self.0 {
            Ok(data) => {
                let mut body = String::with_capacity(data.len() + 10);
                body.push_str("{\"data\":");
                body.push_str(data);
                body.push('}');
                body.into()
            }
            Err(errors) => {
                let list: Vec<_> = errors.iter().map(ApiError::to_json).collect();
                let mut body = serde_json::json!({ "errors": list });
                if let (Kind::Failed, Some(object)) = (self.kind(), body.as_object_mut()) {
                    object.insert("data".to_owned(), serde_json::Value::Null);
                }
                body.to_string().into()
            }
        }
    }

    pub fn errors(&self) -> &[ApiError] {
        self.0.as_ref().err().map(Vec::as_slice).unwrap_or_default()
    }
}

impl From<ApiError> for ApiResponse {
    fn from(error: ApiError) -> Self {
        ApiResponse(Err(vec![error]))
    }
}
