//! What comes from `$env` and must not be seen, also when an upstream repeats it. Knows texts;
//! knows no requests and no rows.
//!
//! A secret is found in the forms that it can have been sent in, and in any mixture of spellings of
//! them (`spelled.rs`), and a marker takes its place: `{$env.KEY}`. What is kept of a request gets
//! it back from the marker when it is used, so a database never holds it. Rows are data: in them,
//! only what is sent as a credential is no part of what an upstream has to say.

mod forms;
mod kept;
mod literals;
mod signs;
mod spelled;
#[cfg(test)]
mod tests;
mod ways;
mod words;

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use crate::{
    catalog::{Auth, Body, Catalog, SourceId, template::Template},
    config::Environment,
};

use self::words::Words;
pub(super) use self::words::is_credential;
use super::environment::environment_object;

/// The secrets that one source is sent: those that are known before, and tokens that it gave.
#[derive(Debug, Default)]
pub(super) struct Secrets(RwLock<Arc<Words>>);

impl Secrets {
    fn words(&self) -> Arc<Words> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_empty(&self) -> bool {
        self.words().words.is_empty()
    }

    /// A token that is sent from now on. Those of long ago have ended, and are forgotten.
    pub(super) fn learn(&self, token: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut words = Words::clone(&known);
        words.learn(token);
        *known = Arc::new(words);
    }

    /// A text for people, with markers in the place of secrets; also of those that are cut.
    pub(super) fn mask(&self, text: &str) -> String {
        self.words().mask(text)
    }

    /// A body without the credentials that it repeats. Who makes a request of a link in it reveals
    /// them. JSON stays JSON: in the place of a number, the marker is a string.
    pub(super) fn cover(&self, body: Bytes) -> Bytes {
        self.words().cover(body)
    }

    /// The same of all secrets, for a body that is kept as a whole and shown.
    pub(super) fn cover_all(&self, body: Bytes) -> Bytes {
        self.words().cover_all(body)
    }

    /// A text for a database: [`Secrets::reveal`] gives it back. None: it cannot.
    pub(super) fn keep(&self, text: &str) -> Option<String> {
        self.words().keep(text)
    }

    /// A text as it was before [`Secrets::keep`], or as it is read from a body before
    /// [`Secrets::cover`].
    pub(super) fn reveal(&self, text: &str) -> String {
        self.words().reveal(text)
    }

    /// Those of a source: of its address, its headers, and the paths and bodies of its fetches.
    pub(super) fn of(catalog: &Catalog, id: SourceId, environment: &Environment) -> Secrets {
        let source = catalog.source(id);
        let fetches = || {
            let all = catalog.fetch_ids().map(|fetch| catalog.fetch(fetch));
            all.filter(|fetch| fetch.source == id)
        };
        let headers = source.headers.iter().map(|(name, value)| (Some(name.as_str()), value));
        let addresses = std::iter::once(&source.url)
            .chain(fetches().map(|fetch| &fetch.path))
            .map(|template| (None, template));
        let bodies = fetches().filter_map(|fetch| fetch.body.as_ref());
        let members = bodies.flat_map(Body::templates);
        let auth = source.auth.iter().flat_map(Auth::templates);
        let auth = auth.map(|(name, template)| (Some(name), template));
        let secrets = Secrets::in_templates(headers.chain(addresses).chain(members).chain(auth), environment);
        if let Some(Auth::Basic { user, password }) = &source.auth {
            secrets.both(user, password, environment);
        }
        secrets
    }

    /// A user with the password, as one text.
    fn both(&self, user: &Template, password: &Template, environment: &Environment) {
        let fill = |template: &Template| {
            let lookup = |name: &str| (name == "env").then(|| environment_object(template, environment));
            template.render(&lookup).unwrap_or_default()
        };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut words = Words::clone(&known);
        words.value(&forms::basic(&fill(user), &fill(password)), "basic", true);
        words.sort();
        *known = Arc::new(words);
    }

    /// With the name of the header, or the member of a body, that each template is of.
    fn in_templates<'t>(
        templates: impl Iterator<Item = (Option<&'t str>, &'t Template)>,
        environment: &Environment,
    ) -> Secrets {
        let mut words = Words::default();
        for (header, template) in templates {
            words.add(template, environment, header.is_some_and(is_credential));
        }
        words.sort();
        Secrets(RwLock::new(Arc::new(words)))
    }
}
