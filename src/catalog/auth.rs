//! How requests say who asks, as a definition says it. Plain data.

use super::{body::Body, jq::Filter, template::Template};

/// `@source(auth:)`.
#[derive(Clone, Debug)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer(Template),
    /// `Authorization: Basic …`.
    Basic {
        user: Template,
        password: Template,
    },
    Header {
        name: String,
        value: Template,
    },
    /// OAuth 2: client credentials (RFC 6749, 4.4) for a token that lasts for a while.
    OAuth2(Box<ClientCredentials>),
    /// A request to the source itself, whose answer has a token.
    Login(Box<Login>),
}

#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// Where tokens are given, which may be another host than the source's.
    pub url: Template,
    pub id: Template,
    pub secret: Template,
    pub scope: Option<Template>,
    pub audience: Option<Template>,
}

#[derive(Clone, Debug)]
pub struct Login {
    /// The path of a request by POST, joined to the source's URL.
    pub path: Template,
    pub body: Option<Body>,
    /// The body is sent as a form.
    pub form: bool,
    /// Finds the token in the answer.
    pub token: Filter,
    pub header: String,
    /// What the header says; knows `$token`.
    pub value: Template,
}

impl Auth {
    /// What may hold `$env`, each with the name of what it is sent as.
    pub fn templates(&self) -> Vec<(&str, &Template)> {
        match self {
            Auth::Bearer(token) => vec![("Authorization", token)],
            Auth::Basic { user, password } => vec![("auth", user), ("password", password)],
            Auth::Header { name, value } => vec![(name, value)],
            Auth::OAuth2(of) => {
                let mut all = vec![("url", &of.url), ("auth", &of.id), ("secret", &of.secret)];
                all.extend(of.scope.iter().map(|scope| ("scope", scope)));
                all.extend(of.audience.iter().map(|audience| ("audience", audience)));
                all
            }
            Auth::Login(login) => {
                let mut all = vec![("path", &login.path)];
                let members = login.body.iter().flat_map(Body::templates);
                all.extend(members.map(|(name, template)| (name.unwrap_or("password"), template)));
                all.push((&login.header, &login.value));
                all
            }
        }
    }
}
