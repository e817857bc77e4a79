//! Requests: addresses, headers, identities. Knows templates, URLs and folders; calls nobody.

use std::path::{Component, Path, PathBuf};

use jaq_json::Val;
use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    environment::{environment_object, text},
    error::{HarvestError, PageFault},
    fetch::{By, Call, HeaderMap, HeaderName, HeaderValue},
    page::Position,
    secrets::Secrets,
};
use crate::{
    catalog::{Auth, Body, Catalog, Fetch, Method, Source, jq::JqError, template::Template},
    config::Environment,
};

/// Characters that are shown of what a body is filled in with.
const FILLED_SHOWN: usize = 100;
/// Characters of a request's place that its identity shows.
const PLACE_SHOWN: usize = 500;

/// A source's address.
#[derive(Clone, Debug)]
pub(super) enum Base {
    Http(Url),
    Folder(PathBuf),
}

/// One request of a run.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub target: Target,
    /// Its identity in the store: holds no secret.
    pub identity: String,
    /// How errors name it: holds no secret.
    pub place: String,
}

#[derive(Clone, Debug)]
pub(super) enum Target {
    Http(Call),
    File(PathBuf),
    /// One of the files of a pattern: the first, or that of this name.
    Files {
        folder: PathBuf,
        pattern: String,
        name: Option<String>,
    },
}

/// Fills in a template that knows `$env` alone.
pub(super) fn render_static(template: &Template, environment: &Environment) -> Result<String, String> {
    let lookup = |name: &str| (name == "env").then(|| environment_object(template, environment));
    template.render(&lookup).map_err(|error| error.message)
}

/// The variables of `$env` that are used and not set, each with who uses it; all of them at once.
pub(super) fn missing_environment(catalog: &Catalog, environment: &Environment) -> Vec<String> {
    let mut missing = Vec::new();
    let mut check = |template: &Template, user: &str| {
        for name in template.env_names() {
            let entry = format!("{name} (used by {user})");
            // All of them at once: a person sets them in one go instead of starting again for each.
            if environment.get(name).is_none() && !missing.contains(&entry) {
                missing.push(entry);
            }
        }
    };
    for source in &catalog.sources {
        let user = format!("source {}", source.name);
        check(&source.url, &user);
        let auth = source.auth.iter().flat_map(Auth::templates);
        auth.for_each(|(_, template)| check(template, &user));
        source.headers.iter().for_each(|(_, value)| check(value, &user));
    }
    for id in catalog.fetch_ids() {
        let fetch = catalog.fetch(id);
        let what = if fetch.field_fetch.is_some() { "field" } else { "type" };
        let user = format!("{what} {}", catalog.fetch_name(id));
        check(&fetch.path, &user);
        let body = fetch.body.iter().flat_map(Body::templates);
        body.for_each(|(_, template)| check(template, &user));
    }
    missing
}

/// Reads a source's address; its text is not repeated in errors, for it may hold a secret.
pub(super) fn base(source: &Source, environment: &Environment, folder: &Path) -> Result<Base, HarvestError> {
    let error = |message: &str| HarvestError::Address {
        place: format!("source {}", source.name),
        message: format!("url `{}`: {message}", source.url.text()),
    };
    let rendered = render_static(&source.url, environment).map_err(|message| error(&message))?;
    if let Some(path) = rendered.strip_prefix("file:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return Ok(Base::Folder(folder.join(path)));
    }
    let url = Url::parse(&rendered).map_err(|_| error("is no URL; write http://host, https://host or file:folder"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(error("only http:, https: and file: are supported"));
    }
    // The path is appended, so a query in the middle would swallow it.
    if url.query().is_some() || url.fragment().is_some() {
        return Err(error(
            "a source's url has no query and no fragment; put them into the fetch's path",
        ));
    }
    Ok(Base::Http(url))
}

/// A source's address for people: of one that comes from `$env` the origin, which is no secret, and
/// what it was written as.
pub(super) fn shown_base(source: &Source, base: &Base, environment: &Environment) -> String {
    let Base::Http(base) = base else {
        return String::new();
    };
    let lookup = |name: &str| (name == "env").then(|| environment_object(&source.url, environment));
    let written = source.url.render_shown(&lookup).unwrap_or_default();
    let written = written.trim_end_matches('/');
    if !source.url.prefix().is_empty() {
        return without_user(written);
    }
    let (origin, path) = (host_of(base), base.path().trim_end_matches('/'));
    let first = source.url.env_values(&lookup).into_iter().next();
    let first = first.map_or(String::new(), |first| format!("{{{}}}", first.expression));
    match written.strip_prefix(&first) {
        // All of the path is written in the definition.
        Some(rest) if path == rest => format!("{origin}{rest}"),
        _ => format!("{origin}/{written}"),
    }
}

/// `https://shop.example/api` of `https://user:password@shop.example/api`.
fn without_user(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest.get(..end).and_then(|host| host.rfind('@')) {
        Some(at) => format!("{scheme}://{}", rest.get(at + 1..).unwrap_or_default()),
        None => address.to_owned(),
    }
}

/// Reads a source's headers.
pub(super) fn headers(source: &Source, environment: &Environment) -> Result<HeaderMap, HarvestError> {
    let mut headers = HeaderMap::new();
    for (name, template) in &source.headers {
        let error = |message: &str| HarvestError::Address {
            place: format!("source {}", source.name),
            message: format!("header {name}: {message}"),
        };
        let value = render_static(template, environment).map_err(|message| error(&message))?;
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| error("is no name of a header"))?;
        let mut value = HeaderValue::from_str(&value).map_err(|_| error("its value cannot be sent in a header"))?;
        // Headers carry credentials, and this keeps them out of what HTTP libraries log.
        value.set_sensitive(true);
        headers.append(header, value);
    }
    Ok(headers)
}

/// How a path becomes a text: for the upstream, or for people.
type Render = fn(&Template, &dyn Fn(&str) -> Option<Val>) -> Result<String, JqError>;

/// Everything that a fetch's requests are made of.
#[derive(Clone, Copy)]
pub(super) struct Maker<'a> {
    pub fetch: &'a Fetch,
    pub base: &'a Base,
    pub headers: &'a HeaderMap,
    /// The base as people see it.
    pub shown: &'a str,
    pub secrets: &'a Secrets,
    pub environment: &'a Environment,
    /// Tells those who log in otherwise apart; none where the headers do.
    pub who: Option<u64>,
    /// The row that a field's request is about, as `{$this.…}` sees it.
    pub this: Option<&'a Val>,
}

impl Maker<'_> {
    /// The request at a position; `before` is the URL of the page that gave a [`Position::Url`].
    pub(super) fn request(&self, position: &Position) -> Result<Request, PageFault> {
        if let (Base::Http(base), true) = (self.base, self.fetch.path.is_link()) {
            let url = self.linked(base, position)?;
            let shown = self.shown_url(base, &url);
            return self.asked(base, url, &shown, position);
        }
        let path = self.path(position, Template::render_path)?;
        // Rendered twice, because what people see must not be made from what is sent: a credential
        // could be a part of any value.
        let shown = self.path(position, Template::render_shown)?;
        match (self.base, self.fetch.method) {
            (Base::Folder(folder), Method::File) if self.fetch.is_of_files() => {
                let name = match position {
                    Position::Url(name) => Some(name),
                    _ => None,
                };
                let one = self.file(folder, name.unwrap_or(&path), name.unwrap_or(&shown))?;
                Ok(Request {
                    target: Target::Files {
                        folder: folder.clone(),
                        pattern: path,
                        name: name.cloned(),
                    },
                    ..one
                })
            }
            (Base::Folder(folder), Method::File) => self.file(folder, &path, &shown),
            (Base::Http(base), Method::Get | Method::Post) => {
                let joined = self.fault(join(base, &path))?;
                let shown = format!("{}{}{shown}", self.shown, slash(&shown));
                self.asked(base, joined, &shown, position)
            }
            (Base::Folder(_), Method::Get | Method::Post) => {
                self.fault(Err("GET and POST need an http source; use FILE".to_owned()))
            }
            (Base::Http(_), Method::File) => self.fault(Err("FILE needs a file: source; use GET".to_owned())),
        }
    }

    /// The request for an address, or for the page that followed it; `shown` is the address as
    /// people see it.
    fn asked(&self, base: &Url, address: Url, shown: &str, position: &Position) -> Result<Request, PageFault> {
        let (by, name, filled) = self.by(position)?;
        let place = format!("{name} {shown}{filled}");
        match position {
            Position::Url(next) => {
                let url = self.next(&address, base, next, place)?;
                let place = format!("{name} {}{filled}", self.shown_url(base, &url));
                Ok(self.http(Call { url, by }, place))
            }
            _ => Ok(self.http(Call { url: address, by }, self.secrets.mask(&place))),
        }
    }

    /// The address that a row's own link means; it stays on the source's host.
    fn linked(&self, base: &Url, position: &Position) -> Result<Url, PageFault> {
        let lookup = |name: &str| self.variable(&self.fetch.path, name, position);
        let link = self.fetch.path.link(&lookup).ok_or(PageFault::Internal)?;
        let link = self.fault(link.map_err(|error| self.secrets.mask(&error.message)))?;
        // From the host on: nobody knows in which page the link stood.
        let url = match link.starts_with('/') {
            true => base.join(&link),
            false => Url::parse(&link),
        };
        let found = || self.secrets.mask(&link).chars().take(PLACE_SHOWN).collect::<String>();
        let url =
            self.fault(url.map_err(|_| format!("\"{}\" is no link: it begins with http://, https:// or /", found())))?;
        match url.origin() == base.origin() {
            true => Ok(url),
            // The source's headers go with each request, and with them its credentials.
            false => self.fault(Err(format!(
                "the link leads to {}, not to {}; another host is never followed",
                host_of(&url),
                host_of(base)
            ))),
        }
    }

    fn fault<T>(&self, result: Result<T, String>) -> Result<T, PageFault> {
        result.map_err(|message| PageFault::Template {
            place: format!("`{}`", self.fetch.path.text()),
            message,
        })
    }

    fn path(&self, position: &Position, render: Render) -> Result<String, PageFault> {
        let lookup = |name: &str| self.variable(&self.fetch.path, name, position);
        self.fault(render(&self.fetch.path, &lookup).map_err(|error| error.message))
    }

    /// The value of a variable in a template.
    fn variable(&self, template: &Template, name: &str, position: &Position) -> Option<Val> {
        match (name, position) {
            ("env", _) => Some(environment_object(template, self.environment)),
            ("this", _) => self.this.cloned(),
            ("page", Position::Page(page)) => Some(text_or_number(*page)),
            ("offset", Position::Offset(offset)) => Some(text_or_number(*offset)),
            ("cursor", Position::Cursor(cursor)) => Some(text(cursor)),
            _ => None,
        }
    }

    /// How the fetch asks, by which name, and what people see of what its body is filled in with.
    fn by(&self, position: &Position) -> Result<(By, &'static str, String), PageFault> {
        if self.fetch.method != Method::Post {
            return Ok((By::Get, "GET", String::new()));
        }
        let Some(body) = &self.fetch.body else {
            return Ok((By::Post(None), "POST", String::new()));
        };
        let lookup = |template: &Template, name: &str, whole: bool| match (name, position) {
            // Before the first page there is no cursor, and JSON has a value for that.
            ("cursor", Position::Cursor(cursor)) if whole && cursor.is_empty() => Some(Val::Null),
            _ => self.variable(template, name, position),
        };
        let sent = body.render(&lookup).map_err(|error| PageFault::Template {
            place: "`body`".to_owned(),
            message: error.message,
        })?;
        let shown = self.secrets.mask(&body.shown(&lookup).join(", "));
        let mut filled: String = shown.chars().take(FILLED_SHOWN).collect();
        if filled.len() < shown.len() {
            filled.push('…');
        }
        let filled = Some(filled).filter(|filled| !filled.is_empty());
        let filled = filled.map_or(String::new(), |filled| format!(" ({filled})"));
        Ok((By::Post(Some(sent.into())), "POST", filled))
    }

    /// The next page's URL; it stays on the source's host.
    fn next(&self, current: &Url, base: &Url, next: &str, place: String) -> Result<Url, PageFault> {
        let Ok(url) = current.join(next) else {
            return Err(PageFault::NextUrl {
                place,
                found: self.secrets.mask(next).chars().take(80).collect(),
            });
        };
        if url.origin() != base.origin() {
            // The source's headers go with each request; another host would be given its
            // credentials.
            return Err(PageFault::NextHost {
                place,
                from: host_of(base),
                to: host_of(&url),
            });
        }
        Ok(url)
    }

    /// An address that the upstream gave, as people see it.
    fn shown_url(&self, base: &Url, url: &Url) -> String {
        let mut open = url.clone();
        // Nobody is named in an address by these two calls: it has a host.
        let _ = (open.set_username(""), open.set_password(None));
        let below = url.as_str().strip_prefix(base.as_str().trim_end_matches('/'));
        match below.filter(|below| below.is_empty() || below.starts_with(['/', '?', '#'])) {
            Some(below) => format!("{}{}", self.shown, self.secrets.mask(below)),
            None => self.secrets.mask(open.as_str()),
        }
    }

    fn http(&self, mut call: Call, place: String) -> Request {
        // Never sent, so two that differ in it are one request.
        call.url.set_fragment(None);
        // The identity distinguishes addresses, bodies and credentials, and tells none of them.
        let mut secret = Vec::from(call.url.as_str());
        if let By::Post(body) = &call.by {
            secret.extend_from_slice(b" POST ");
            secret.extend_from_slice(body.as_deref().unwrap_or_default());
        }
        for (name, value) in self.headers {
            secret.extend_from_slice(name.as_str().as_bytes());
            secret.extend_from_slice(value.as_bytes());
        }
        if let Some(who) = self.who {
            secret.extend_from_slice(&who.to_le_bytes());
        }
        Request {
            identity: format!("{} #{:016x}", shown(&place), xxh3_64(&secret)),
            place,
            target: Target::Http(call),
        }
    }

    fn file(&self, folder: &Path, path: &str, shown_path: &str) -> Result<Request, PageFault> {
        // Joined as it is, an absolute path would replace the folder.
        let relative = Path::new(path.trim_start_matches('/'));
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if path.is_empty() || !relative.components().all(inside) {
            return self.fault(Err("a file stays inside its source's folder: no `..`".to_owned()));
        }
        Ok(Request {
            identity: format!("{} #{:016x}", shown(shown_path), xxh3_64(path.as_bytes())),
            place: format!("FILE {shown_path}"),
            target: Target::File(folder.join(relative)),
        })
    }
}

fn text_or_number(number: u64) -> Val {
    // Pages and offsets beyond the machine's integers cannot be counted to.
    isize::try_from(number).map_or_else(
        |_| text(&number.to_string()),
        |number| Val::Num(jaq_json::Num::Int(number)),
    )
}

/// The beginning of a place: what follows it tells requests apart, and all of it would not fit into
/// every index.
fn shown(place: &str) -> &str {
    let end = place.char_indices().nth(PLACE_SHOWN).map_or(place.len(), |(at, _)| at);
    place.get(..end).unwrap_or(place)
}

fn host_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// What belongs between a base and a path.
fn slash(path: &str) -> &'static str {
    match path.is_empty() || path.starts_with(['/', '?']) {
        true => "",
        false => "/",
    }
}

/// Joins a fetch's path to the source's url: appended, so that a base's own path stays.
pub(super) fn join(base: &Url, path: &str) -> Result<Url, String> {
    // Not `Url::join`, by whose rules a path with a slash at its beginning takes the place of the
    // base's own.
    let start = base.as_str().trim_end_matches('/');
    let url = Url::parse(&format!("{start}{}{path}", slash(path))).map_err(|error| format!("makes no URL: {error}"))?;
    if url.origin() != base.origin() {
        return Err("leads to another host than the source's".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_an_address() {
        let environment = Environment::default()
            .with("HOST", "http://h:1")
            .with("API", "https://u:p@h/t0ken/api")
            .with("TENANT", "t0ken");
        for (url, want) in [
            ("http://h:1/api/", "http://h:1/api"),
            ("https://u:p@h/api", "https://h/api"),
            ("https://h/{$env.TENANT}/api", "https://h/{$env.TENANT}/api"),
            ("{$env.HOST}", "http://h:1"),
            ("{$env.HOST}/api", "http://h:1/api"),
            ("{$env.API}", "https://h/{$env.API}"),
        ] {
            let source = Source {
                name: "s".to_owned(),
                url: Template::parse(url, &["env"], crate::catalog::template::Encoding::Raw).expect("url"),
                headers: Vec::new(),
                auth: None,
                rate: None,
                concurrency: 1,
            };
            let base = base(&source, &environment, Path::new("")).expect("a base");
            assert_eq!(shown_base(&source, &base, &environment), want);
        }
    }

    #[test]
    fn joins() {
        for (base, path, want) in [
            ("http://h", "/items?page=2", "http://h/items?page=2"),
            ("http://h/api/", "/items", "http://h/api/items"),
            ("http://h/api", "items", "http://h/api/items"),
            ("http://h/api", "?a=b", "http://h/api?a=b"),
            ("http://h:8080/api", "", "http://h:8080/api"),
        ] {
            let base = Url::parse(base).expect("base");
            assert_eq!(join(&base, path).map(String::from).as_deref(), Ok(want));
        }
        let bare = Url::parse("http://h").expect("base");
        assert!(join(&bare, "@evil/x").is_ok_and(|url| url.host_str() == Some("h")));
    }
}
