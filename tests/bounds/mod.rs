//! What one client can take from the others: attacks, small and bounded, on the real program, whose memory is measured and beside
//! which a bystander asks. Knows processes from outside; the bounds themselves are in docs/serving.md.

mod exposure;

use serde_json::json;

use crate::harness::{Program, Scratch};

/// A definition that needs no upstream.
pub const EMPTY: &str = "type Note { id: ID! }\n";

/// Serves it with settings, given as variables.
pub async fn serve(settings: &[(&str, &str)]) -> (Scratch, Program) {
    let scratch = Scratch::new(EMPTY);
    let program = scratch.serve(settings).await;
    (scratch, program)
}

/// Somebody else is answered, and rightly.
pub async fn bystander(program: &Program) {
    assert_eq!(program.query("{ notes { id } }").await, json!({ "notes": [] }));
}
