//! What stands for variables that are not set where nobody is asked. Knows names; knows no values
//! that are secret.

use super::{cassette::Player, request::missing_environment};
use crate::{
    catalog::{Auth, Catalog, Source, template::Template},
    config::Environment,
};

/// The environment for a replay: a cassette is given without the credentials that it was made with.
/// The address of a source is that of its recorded answers.
pub(crate) fn replayed(catalog: &Catalog, mut environment: Environment, player: &Player) -> Environment {
    for used in missing_environment(catalog, &environment) {
        let name = used.split_once(' ').map_or(&*used, |(name, _)| name);
        let begins =
            |url: &Template| url.prefix().is_empty() && url.env_names().first().is_some_and(|first| first == name);
        let gives = |source: &Source| matches!(&source.auth, Some(Auth::OAuth2(of)) if begins(&of.url));
        let nowhere = || format!("http://{}.invalid", name.to_ascii_lowercase().replace('_', "-"));
        let value = match catalog.sources.iter().find(|source| begins(&source.url)) {
            Some(source) => player.origin(&source.name).unwrap_or_else(nowhere),
            None if catalog.sources.iter().any(gives) => nowhere(),
            None => format!("replayed-{name}"),
        };
        environment = environment.with(name, value);
    }
    environment
}
