//! The text of an element of a web page, as one reads it. Knows which elements stand in a line;
//! knows no tables.

use scraper::{ElementRef, Node};

/// Elements in the middle of a line of text.
const INLINE: [&str; 33] = [
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins",
    "kbd", "label", "mark", "nobr", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u",
    "var", "wbr",
];

/// What is in them is for browsers alone.
const CODE: [&str; 3] = ["script", "style", "template"];

/// The text of an element as one reads it: white space is one blank, and parts are apart.
pub(super) fn text_of(element: ElementRef<'_>) -> String {
    let mut out = String::new();
    // Elements may be nested as deep as they like: a list of those that are open, not of calls.
    let mut open = vec![(element.children(), false)];
    while let Some((children, apart)) = open.last_mut() {
        let Some(node) = children.next() else {
            if *apart {
                out.push(' ');
            }
            open.pop();
            continue;
        };
        match node.value() {
            Node::Text(words) => out.push_str(words),
            Node::Element(inner) if !CODE.contains(&inner.name()) => {
                let apart = !INLINE.contains(&inner.name());
                if apart {
                    out.push(' ');
                }
                open.push((node.children(), apart));
            }
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}
