//! What stands for variables that are not set where nobody is asked. Knows names; knows no values
//! that are secret.

use super::{cassette::Player, request::missing_environment};
use crate::{catalog::Catalog, config::Environment};

/// The environment for a replay: a cassette is given without the credentials that it was made with.
/// The address of a source is that of its recorded answers.
pub(crate) fn replayed(catalog: &Catalog, mut environment: Environment, player: &Player) -> Environment {
    for used in missing_environment(catalog, &environment) {
        let name = used.split_once(' ').map_or(&*used, |(name, _)| name);
        let begins = |source: &&crate::catalog::Source| {
            source.url.prefix().is_empty() && source.url.env_names().first().is_some_and(|first| first == name)
        };
        let value = match catalog.sources.iter().find(begins) {
            Some(source) => player
                .origin(&source.name)
                .unwrap_or_else(|| format!("http://{}.invalid", name.to_ascii_lowercase().replace('_', "-"))),
            None => format!("replayed-{name}"),
        };
        environment = environment.with(name, value);
    }
    environment
}
