//! Links as upstreams write them in their records: addresses, or URI templates of which nothing
//! needs to be filled in. Knows their form; knows no host.

/// With what an expression begins whose values are a choice: a query, more of one, a fragment.
const CHOICES: [char; 3] = ['?', '&', '#'];

/// The address that a link means. Of `…/parents{?page,size}` the part in braces is left out: it
/// says what may be asked for beside. What has to be filled in is nowhere to be found.
pub(super) fn address(link: &str) -> Result<String, String> {
    let mut address = String::with_capacity(link.len());
    let mut rest = link;
    while let Some((before, expression)) = rest.split_once('{') {
        let Some((inside, after)) = expression.split_once('}') else {
            return Err(format!("\"{}\" has a brace that is never closed", cut(link)));
        };
        if !inside.starts_with(CHOICES) {
            return Err(format!(
                "\"{}\" is a template that needs a value for {{{inside}}}",
                cut(link)
            ));
        }
        address.push_str(before);
        rest = after;
    }
    address.push_str(rest);
    Ok(address)
}

/// As much of a link as an error shows.
fn cut(link: &str) -> String {
    const SHOWN: usize = 200;
    match link.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &link[..end]),
        None => link.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_filled_in_is_left_out() {
        for (link, want) in [
            ("http://h/a", Ok("http://h/a")),
            ("http://h/a%257B/parents{?page,size}", Ok("http://h/a%257B/parents")),
            ("/a?x=1{&lang}{#part}", Ok("/a?x=1")),
            ("/a/{id}", Err("\"/a/{id}\" is a template that needs a value for {id}")),
            ("/a{/id}", Err("\"/a{/id}\" is a template that needs a value for {/id}")),
            ("/a{?page", Err("\"/a{?page\" has a brace that is never closed")),
        ] {
            let found = address(link);
            assert_eq!(found.as_deref().map_err(String::as_str), want, "{link}");
        }
    }
}
