//! How a source is told who asks: headers that are known before, or what a token is asked for
//! with. Knows templates and URLs; asks nobody.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::{Url, form_urlencoded};

use super::{
    environment::environment_object,
    error::HarvestError,
    fetch::{By, Call, HeaderMap, HeaderName, HeaderValue, Take, TokenRequest},
    request::{Base, join, render_static},
};
use crate::{
    catalog::{Auth, Body, ClientCredentials, Login, Source, template::Template},
    config::Environment,
};

/// How a source is told who asks.
pub(super) enum Access {
    Known(HeaderName, HeaderValue),
    Token(Box<TokenRequest>),
}

/// Reads a source's `auth`; `headers` are those that go with each of its requests.
pub(super) fn access(
    source: &Source,
    base: &Base,
    headers: &HeaderMap,
    environment: &Environment,
) -> Result<Option<Access>, HarvestError> {
    let Some(auth) = &source.auth else { return Ok(None) };
    let error = |message: String| HarvestError::Address {
        place: format!("source {}", source.name),
        message: format!("auth: {message}"),
    };
    let Base::Http(base) = base else {
        return Err(error("a folder asks nobody; leave it out".to_owned()));
    };
    let fill = |template: &Template| render_static(template, environment).map_err(error);
    let known = |name: &str, value: String| {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| error("no name of a header".to_owned()))?;
        Ok(Some(Access::Known(name, sensitive(&value).map_err(error)?)))
    };
    match auth {
        Auth::Bearer(token) => known("authorization", format!("Bearer {}", fill(token)?)),
        Auth::Basic { user, password } => known("authorization", basic(&fill(user)?, &fill(password)?)),
        Auth::Header { name, value } => known(name, fill(value)?),
        Auth::OAuth2(of) => {
            let request = client_credentials(of, environment).map_err(error)?;
            Ok(Some(Access::Token(Box::new(named(request, source)))))
        }
        Auth::Login(login) => {
            let request = log_in(login, base, headers, environment).map_err(error)?;
            Ok(Some(Access::Token(Box::new(named(request, source)))))
        }
    }
}

/// Errors say whose login it is; its address may be a secret.
fn named(request: TokenRequest, source: &Source) -> TokenRequest {
    let kind = match request.take {
        Take::OAuth2 => "the token",
        Take::Jq(_) => "the login",
    };
    let host = request.call.url.origin().ascii_serialization();
    TokenRequest {
        place: format!("{kind} of source {} at {host}", source.name),
        ..request
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A header that HTTP libraries keep out of what they log.
fn sensitive(value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value).map_err(|_| "its value cannot be sent in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

fn client_credentials(of: &ClientCredentials, environment: &Environment) -> Result<TokenRequest, String> {
    let fill = |template: &Template| render_static(template, environment);
    let url = Url::parse(&fill(&of.url)?)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    for (name, template) in [("scope", &of.scope), ("audience", &of.audience)] {
        if let Some(template) = template {
            form.append_pair(name, &fill(template)?);
        }
    }
    // RFC 6749, 2.3.1: both are encoded as in a form before they are put together.
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut headers = HeaderMap::new();
    let who = basic(&encoded(&fill(&of.id)?), &encoded(&fill(&of.secret)?));
    headers.insert("authorization", sensitive(&who)?);
    headers.insert("accept", HeaderValue::from_static("application/json"));
    Ok(TokenRequest {
        call: Call {
            url: url.ok_or("url: is no address of a server")?,
            by: By::Form(form.finish().into()),
        },
        headers,
        place: String::new(),
        take: Take::OAuth2,
        header: HeaderName::from_static("authorization"),
        value: Template::parse("Bearer {$token}", &["token"], crate::catalog::template::Encoding::Raw)
            .map_err(|fault| fault.message)?,
        environment: environment.clone(),
    })
}

fn log_in(login: &Login, base: &Url, headers: &HeaderMap, environment: &Environment) -> Result<TokenRequest, String> {
    let lookup =
        |template: &Template, name: &str, _: bool| (name == "env").then(|| environment_object(template, environment));
    let sent = login.body.as_ref().map(|body: &Body| body.render(&lookup)).transpose();
    let sent = sent.map_err(|error| error.message)?;
    let by = match (sent, login.form) {
        (Some(sent), true) => By::Form(form(&sent)?.into()),
        (sent, _) => By::Post(sent.map(Into::into)),
    };
    let lookup = |name: &str| (name == "env").then(|| environment_object(&login.path, environment));
    let path = login.path.render_path(&lookup).map_err(|error| error.message)?;
    let mut headers = headers.clone();
    headers
        .entry("accept")
        .or_insert(HeaderValue::from_static("application/json"));
    Ok(TokenRequest {
        call: Call {
            url: join(base, &path)?,
            by,
        },
        headers,
        place: String::new(),
        take: Take::Jq(login.token.clone()),
        header: HeaderName::from_bytes(login.header.as_bytes()).map_err(|_| "no name of a header")?,
        value: login.value.clone(),
        environment: environment.clone(),
    })
}

/// An object of JSON as a form.
fn form(json: &str) -> Result<String, String> {
    let members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(json).map_err(|_| "a form is an object of texts and numbers")?;
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &members {
        match value {
            serde_json::Value::String(text) => form.append_pair(name, text),
            value => form.append_pair(name, &value.to_string()),
        };
    }
    Ok(form.finish())
}
