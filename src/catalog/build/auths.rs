//! How requests say who asks: `auth` of a source. Knows which ways there are and what each needs;
//! sends nothing.

use super::{
    Builder,
    sources::{HEADERS_KEPT, is_token},
};
use crate::{
    catalog::{
        Auth, ClientCredentials, Login,
        jq::Filter,
        template::{Encoding, Template},
    },
    definition::{Directive, Fault, Literal, Spanned},
};

/// The ways to say who asks.
const WAYS: [&str; 5] = ["bearer", "basic", "header", "oauth2", "login"];

impl Builder<'_> {
    /// The outer `None` is a fault.
    pub(super) fn auth(&mut self, directive: &Directive, headers: &[(String, Template)]) -> Option<Option<Auth>> {
        let Some(literal) = directive.argument("auth") else {
            return Some(None);
        };
        let given: Vec<(&str, &Literal)> = WAYS
            .iter()
            .filter_map(|way| Some((*way, literal.member(way)?)))
            .collect();
        let (way, value) = match given[..] {
            [one] => one,
            [_, (second, value), ..] => {
                let message = format!("`{}` and `{second}` exclude each other", given[0].0);
                self.fault(Fault::at(value.span.clone(), message).hint("a source has one way to say who asks"));
                return None;
            }
            [] => {
                if !directive.broken {
                    let fault = Fault::at(literal.span.clone(), "`auth` says nothing");
                    self.fault(fault.hint(format!("give one of {}", WAYS.join(", "))));
                }
                return None;
            }
        };
        let auth = match way {
            "bearer" => Auth::Bearer(self.auth_text(value)?),
            "basic" => Auth::Basic {
                user: self.auth_text(value.member("user")?)?,
                password: self.auth_text(value.member("password")?)?,
            },
            "header" => Auth::Header {
                name: self.auth_header(value.member("name")?.as_text()?)?,
                value: self.auth_text(value.member("value")?)?,
            },
            "oauth2" => Auth::OAuth2(Box::new(self.client_credentials(value)?)),
            _ => Auth::Login(Box::new(self.login(value)?)),
        };
        let name = header_of(&auth);
        if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            let fault = Fault::at(
                value.span.clone(),
                format!("`auth` sends the header `{name}`, and so does `headers`"),
            );
            self.fault(fault.hint("keep one of them"));
            return None;
        }
        Some(Some(auth))
    }

    fn auth_text(&mut self, literal: &Literal) -> Option<Template> {
        let text = literal.as_text()?;
        if text.value.trim().is_empty() {
            self.fault(Fault::at(text.span, "an empty text lets nobody in").hint("such as \"{$env.TOKEN}\""));
            return None;
        }
        self.template(&text, &["env"], Encoding::Raw)
    }

    fn auth_header(&mut self, name: Spanned<&str>) -> Option<String> {
        if is_token(name.value) && !HEADERS_KEPT.contains(&name.value.to_ascii_lowercase().as_str()) {
            return Some(name.value.to_owned());
        }
        let fault = Fault::at(name.span, format!("the header `{}` cannot be sent", name.value));
        self.fault(fault.hint("such as `Authorization` or `X-Api-Key`"));
        None
    }

    fn client_credentials(&mut self, given: &Literal) -> Option<ClientCredentials> {
        let mut text = |name: &str| given.member(name).map(|literal| self.auth_text(literal));
        let credentials = ClientCredentials {
            url: text("url")??,
            id: text("id")??,
            secret: text("secret")??,
            scope: text("scope").map_or(Some(None), |scope| scope.map(Some))?,
            audience: text("audience").map_or(Some(None), |audience| audience.map(Some))?,
        };
        let prefix = credentials.url.prefix();
        if prefix.is_empty() || prefix.starts_with("http://") || prefix.starts_with("https://") {
            return Some(credentials);
        }
        let at = given.member("url").map_or(given.span.clone(), |url| url.span.clone());
        self.fault(Fault::at(at, "this is no address").hint("write https://host/path of where tokens are given"));
        None
    }

    fn login(&mut self, given: &Literal) -> Option<Login> {
        let path = given.member("POST")?.as_text()?;
        if !path.value.starts_with(['/', '?']) {
            let fault = Fault::at(
                path.span,
                "a path begins with `/` or `?`: it is joined to the source's URL",
            );
            self.fault(fault.hint("for a host of its own that gives tokens, use `oauth2`"));
            return None;
        }
        let header = match given.member("header").and_then(Literal::as_text) {
            Some(name) => self.auth_header(name)?,
            None => "Authorization".to_owned(),
        };
        let value = match given.member("value").and_then(Literal::as_text) {
            Some(value) => {
                let template = self.template(&value, &["token", "env"], Encoding::Raw)?;
                if !template.uses("token") {
                    let fault = Fault::at(value.span, "the header says nothing of the token");
                    self.fault(fault.hint("such as \"Bearer {$token}\""));
                    return None;
                }
                template
            }
            None if header.eq_ignore_ascii_case("authorization") => plain("Bearer {$token}")?,
            None => plain("{$token}")?,
        };
        let form = given.member("form").and_then(Literal::as_bool).unwrap_or(false);
        let body = match given.member("body") {
            Some(body) => Some(self.body(body, &["env"])?),
            None => None,
        };
        if form && !body.as_ref().is_some_and(crate::catalog::Body::is_flat) {
            let fault = Fault::at(given.span.clone(), "a form is an object of texts and numbers");
            self.fault(
                fault.hint("such as `body: {user: \"{$env.USER}\", password: \"{$env.PASSWORD}\"}, form: true`"),
            );
            return None;
        }
        Some(Login {
            path: self.template(&path, &["env"], Encoding::Percent)?,
            body,
            form,
            token: match given.member("token").and_then(Literal::as_text) {
                Some(token) => self.filter(&token)?,
                None => Filter::compile(".token", &[]).ok()?,
            },
            header,
            value,
        })
    }
}

fn plain(text: &str) -> Option<Template> {
    Template::parse(text, &["token"], Encoding::Raw).ok()
}

/// The header that says who asks.
fn header_of(auth: &Auth) -> &str {
    match auth {
        Auth::Bearer(_) | Auth::Basic { .. } | Auth::OAuth2(_) => "Authorization",
        Auth::Header { name, .. } => name,
        Auth::Login(login) => &login.header,
    }
}
