//! The text of an element of a web page, as one reads it. Knows which elements stand in a line;
//! knows no tables.

use scraper::{ElementRef, Node};

/// Elements in the middle of a line of text.
const INLINE: [&str; 20] = [
    "a", "abbr", "b", "bdi", "cite", "code", "data", "em", "font", "i", "kbd", "mark", "q", "s", "small", "span",
    "strong", "sub", "sup", "u",
];

/// The text of an element as one reads it: white space is one blank, and parts are apart.
pub(super) fn text_of(element: ElementRef<'_>) -> String {
    let mut out = String::new();
    for node in element.descendants() {
        match node.value() {
            Node::Element(inner) if !INLINE.contains(&inner.name()) => out.push(' '),
            Node::Text(words) if !is_code(node.parent().and_then(ElementRef::wrap)) => out.push_str(words),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is in it is for browsers alone.
fn is_code(element: Option<ElementRef<'_>>) -> bool {
    element.is_some_and(|element| matches!(element.value().name(), "script" | "style" | "template"))
}
