//! What an address that others reach shows to them, in words. Knows the settings; opens nothing.

use std::{fmt::Write, net::SocketAddr};

use crate::config::{AllowedHost, AllowedOrigin, ListenSetting};

/// Names everything that is open to who reaches the address, and how each is closed.
pub(super) fn told(address: SocketAddr, types: usize, listen: &ListenSetting, trusted_only: bool) -> String {
    let mut open = vec![match types {
        _ if trusted_only => "what the saved queries of --documents answer, live ones included".to_owned(),
        1 => "all rows of its type, live queries included".to_owned(),
        types => format!("all rows of its {types} types, live queries included"),
    }];
    if !listen.no_introspection && !trusted_only {
        open.push("the schema (--no-introspection closes it)".to_owned());
    }
    if !listen.no_graphiql && !trusted_only {
        open.push("GraphiQL (--no-graphiql)".to_owned());
    }
    if listen.explain {
        open.push("the SQL of what it asks, with plans and real times (--explain)".to_owned());
    }
    if listen.metrics {
        open.push("what is counted (--metrics)".to_owned());
    }
    open.push("/healthz and /readyz".to_owned());
    if listen.allow_host.contains(&AllowedHost::Any) {
        open.push(
            "all of it under any host name (--allow-host '*'), so also to pages whose name leads here".to_owned(),
        );
    }
    if listen.allow_origin.contains(&AllowedOrigin::Any) {
        open.push("all of it to the pages of every origin (--allow-origin '*')".to_owned());
    }
    let mut text = format!(
        "{address} is no loopback address: whoever reaches it can read {}",
        open.join(", ")
    );
    if !listen.trust_proxy.is_empty() {
        let proxies: Vec<String> = listen.trust_proxy.iter().map(ToString::to_string).collect();
        let _ = write!(text, "; who asks is what {} say", proxies.join(", "));
    }
    text.push_str("; a reverse proxy that asks who it is, or --listen 127.0.0.1:4000, keeps others out");
    text
}

/// Whether SQL and plans are told to who asks for them: to this machine alone, or to all. Behind a
/// proxy whoever asks seems to be of this machine; and so do pages from anywhere in a browser that
/// runs on it, where all names or origins are allowed.
pub(super) fn explains(address: SocketAddr, listen: &ListenSetting) -> bool {
    listen.explain || is_of_this_machine(address, listen)
}

/// The same of what is counted.
pub(super) fn counts(address: SocketAddr, listen: &ListenSetting) -> bool {
    listen.metrics || is_of_this_machine(address, listen)
}

fn is_of_this_machine(address: SocketAddr, listen: &ListenSetting) -> bool {
    let is_open = listen.allow_host.contains(&AllowedHost::Any) || listen.allow_origin.contains(&AllowedOrigin::Any);
    address.ip().is_loopback() && listen.trust_proxy.is_empty() && !is_open
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        listen: ListenSetting,
    }

    #[test]
    fn who_is_told_of_sql_and_of_counts() {
        let cases: [(&str, &[&str], bool); 10] = [
            ("127.0.0.1:4000", &[], true),
            ("[::1]:4000", &[], true),
            ("127.0.0.1:4000", &["--trust-proxy"], false),
            ("127.0.0.1:4000", &["--allow-host=*"], false),
            (
                "127.0.0.1:4000",
                &["--allow-origin=https://my.page", "--allow-origin=*"],
                false,
            ),
            ("127.0.0.1:4000", &["--allow-host=*", "--allow-origin=*"], false),
            ("127.0.0.1:4000", &["--allow-host=*", "--explain", "--metrics"], true),
            (
                "127.0.0.1:4000",
                &["--allow-host=a.example", "--allow-origin=https://my.page"],
                true,
            ),
            ("0.0.0.0:4000", &[], false),
            ("0.0.0.0:4000", &["--explain", "--metrics"], true),
        ];
        for (address, flags, told) in cases {
            let flags = Flags::parse_from(["serve"].iter().chain(flags));
            let address = address.parse().expect("an address");
            let got = [explains(address, &flags.listen), counts(address, &flags.listen)];
            assert_eq!(got, [told, told], "{address} {flags:?}", flags = flags.listen);
        }
    }

    #[test]
    fn what_is_open_is_named() {
        let cases: [(&[&str], &[&str], &[&str]); 4] = [
            (&["--explain", "--metrics"], &["the SQL", "--explain", "--metrics"], &[]),
            (
                &[],
                &[
                    "all rows of its 3 types",
                    "--no-introspection",
                    "--no-graphiql",
                    "/readyz",
                ],
                &["--allow-origin", "--allow-host", "who asks"],
            ),
            (
                &["--no-introspection", "--no-graphiql"],
                &["all rows"],
                &["the schema", "GraphiQL"],
            ),
            (
                &["--allow-origin=*", "--allow-host=*", "--trust-proxy"],
                &["every origin", "any host name", "private addresses say"],
                &[],
            ),
        ];
        for (flags, said, unsaid) in cases {
            let flags = Flags::parse_from(["serve"].iter().chain(flags));
            let text = told("0.0.0.0:4000".parse().expect("an address"), 3, &flags.listen, false);
            assert!(said.iter().all(|part| text.contains(part)), "{text}");
            assert!(!unsaid.iter().any(|part| text.contains(part)), "{text}");
        }
    }
}
