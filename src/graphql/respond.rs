//! An answer and its bytes. Knows the response format of the specification; knows no HTTP status.

use bytes::Bytes;

use super::{ApiError, Code, Tag, kept::Data, object::object};

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It ran: the body has `data`.
    Ok,
    /// It was refused before it ran, because it cannot be read or is not there: the body has no
    /// `data`.
    RequestError,
    /// The same because it does not fit: the schema, the types of its variables, the limits.
    Unfit,
    /// It is of a kind that this way of asking does not serve, such as a subscription in a GET
    /// request.
    NotAllowed,
    /// There is no room for it now: the body has no `data`.
    Overloaded,
    /// It ran and failed: the body has `data: null`.
    Failed,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiResponse {
    pub(super) result: Result<Data, Vec<ApiError>>,
    /// What was asked for beside it, as JSON, under its name in `extensions`.
    pub(super) told: Vec<(&'static str, Bytes)>,
}

/// What comes of a request of one who may have the answer already.
#[derive(Clone, Debug)]
pub(crate) enum Answered {
    /// He has it: it is still the one of this name.
    Same(Tag),
    /// Another one, with its name if it is good for more than this moment.
    New(ApiResponse, Option<Tag>),
}

/// A response's bytes: `head`, the data if there are any, `tail`.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub head: Bytes,
    pub data: Option<Data>,
    pub tail: Bytes,
}

impl Parts {
    #[allow(clippy::len_without_is_empty)] // It never is.
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.data.as_ref().map_or(0, Data::len) + self.tail.len()
    }
}

impl ApiResponse {
    pub(super) fn of(result: Result<Data, Vec<ApiError>>) -> ApiResponse {
        let told = Vec::new();
        ApiResponse { result, told }
    }

    pub(crate) fn kind(&self) -> Kind {
        match &self.result {
            Ok(_) => Kind::Ok,
            Err(errors) => match errors.first().map(|error| error.code) {
                Some(Code::MethodNotAllowed) => Kind::NotAllowed,
                Some(Code::Overloaded) => Kind::Overloaded,
                Some(code) if code.is_execution() => Kind::Failed,
                Some(code) if code.is_unfit() => Kind::Unfit,
                _ => Kind::RequestError,
            },
        }
    }

    /// The response as JSON, in parts.
    pub(crate) fn into_parts(self) -> Parts {
        let kind = self.kind();
        match self.result {
            Ok(data) => Parts {
                head: Bytes::from_static(b"{\"data\":"),
                data: Some(data),
                tail: end(self.told),
            },
            Err(errors) => {
                let mut body = serde_json::json!({ "errors": list(&errors) });
                if let (Kind::Failed, Some(object)) = (kind, body.as_object_mut()) {
                    object.insert("data".to_owned(), serde_json::Value::Null);
                }
                let body = body.to_string();
                let open = body.strip_suffix('}').unwrap_or(&body);
                Parts {
                    head: [open.as_bytes(), &end(self.told)].concat().into(),
                    data: None,
                    tail: Bytes::new(),
                }
            }
        }
    }

    /// The errors as JSON, when they end whatever the request began: it was refused, or will not be
    /// answered again.
    pub(crate) fn ended_by(&self) -> Option<serde_json::Value> {
        let errors = self.result.as_ref().err()?;
        let passes = matches!(
            errors.first().map(|error| error.code),
            Some(Code::Internal | Code::Timeout) | None
        );
        (!passes).then(|| list(errors).into())
    }

    /// The whole response body, for who has the memory for it.
    pub(crate) fn at_once(&self) -> std::io::Result<Bytes> {
        let Parts { head, data, tail } = self.clone().into_parts();
        let data = data.map_or(Ok(Bytes::new()), |data| data.at_once())?;
        Ok([head, data, tail].concat().into())
    }

    /// The whole response body.
    #[cfg(test)]
    pub(crate) fn body(&self) -> Bytes {
        let Parts { head, data, tail } = self.clone().into_parts();
        let data = data.map_or_else(Bytes::new, |data| data.whole());
        [head, data, tail].concat().into()
    }

    #[cfg(test)]
    pub(crate) fn errors(&self) -> &[ApiError] {
        self.result.as_ref().err().map(Vec::as_slice).unwrap_or_default()
    }
}

/// The end of a response's object, with what was told beside the rest.
fn end(told: Vec<(&'static str, Bytes)>) -> Bytes {
    if told.is_empty() {
        return Bytes::from_static(b"}");
    }
    let told = object(told.into_iter()).concat();
    [&b",\"extensions\":"[..], &told, b"}"].concat().into()
}

fn list(errors: &[ApiError]) -> Vec<serde_json::Value> {
    errors.iter().map(ApiError::to_json).collect()
}

impl From<ApiError> for ApiResponse {
    fn from(error: ApiError) -> Self {
        ApiResponse::of(Err(vec![error]))
    }
}
