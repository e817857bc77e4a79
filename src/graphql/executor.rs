//! The data API behind async-graphql's transports. Knows its request and response types; answers pass as raw JSON.

use std::sync::Arc;

use async_graphql::{Data, ErrorExtensionValues, Executor, Name, Pos, Request, Response, ServerError, Value};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

use super::{ApiError, ApiRequest, ApiResponse, Current};

/// The member by which serde_json marks JSON that is to be written as it is.
const RAW_JSON: &str = "$serde_json::private::RawValue";

impl Executor for Current {
    async fn execute(&self, request: Request) -> Response {
        match own_request(request) {
            Ok(request) => response(Current::execute(self, request).await),
            Err(error) => response(error.into()),
        }
    }

    fn execute_stream(&self, request: Request, _session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        match own_request(request) {
            Ok(request) => self.answers(request).map(response).boxed(),
            Err(error) => stream::iter([response(error.into())]).boxed(),
        }
    }
}

fn own_request(request: Request) -> Result<ApiRequest, ApiError> {
    let variables = serde_json::to_vec(&request.variables).and_then(|json| serde_json::from_slice(&json));
    let variables = variables.map_err(|_| ApiError::input("variables", "expected a JSON object"))?;
    Ok(ApiRequest {
        query: request.query,
        operation_name: request.operation_name,
        variables: Some(variables),
        ..ApiRequest::default()
    })
}

fn response(response: ApiResponse) -> Response {
    match response.0 {
        Ok(json) => {
            let raw = [(Name::new(RAW_JSON), Value::String(json))];
            Response::new(Value::Object(raw.into_iter().collect()))
        }
        Err(errors) => Response::from_errors(errors.into_iter().map(server_error).collect()),
    }
}

fn server_error(error: ApiError) -> ServerError {
    let first = error.locations.first();
    let place = first.map(|(line, column)| Pos {
        line: *line,
        column: *column,
    });
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", error.code.as_str());
    let mut found = ServerError::new(error.message, place);
    found.extensions = Some(extensions);
    found
}
