//! Documents that are asked for by a name or a hash: those that the operator trusts, and those that
//! clients left here (APQ). Knows texts and their ids; knows no file and no schema.

mod parameters;
mod persisted;
mod sha256;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use apollo_compiler::{
    Node,
    ast::{Definition, Document, OperationDefinition},
};
use arc_swap::ArcSwap;

use self::persisted::Persisted;
pub(crate) use self::sha256::Sha256;
use super::{ApiError, ApiRequest, Code, Limits, gate::without_descriptions, lock::lock, request::Named};
use crate::definition::did_you_mean;

/// How a hash is written as a document's id.
const PREFIX: &str = "sha256:";
/// Characters of an unknown id that an error repeats.
const SHOWN: usize = 100;

/// All that can be asked for without its text.
pub(crate) struct Documents {
    trusted: ArcSwap<Trusted>,
    /// Whether nothing else is answered.
    trusted_only: bool,
    persisted: Mutex<Persisted>,
    /// How often others were trusted.
    number: AtomicU64,
    query_bytes: usize,
}

/// The operator's documents.
#[derive(Default)]
struct Trusted {
    by_name: BTreeMap<String, Arc<Saved>>,
    by_hash: HashMap<Sha256, Arc<Saved>>,
}

/// One document of the operator's.
#[derive(Debug)]
pub(crate) struct Saved {
    pub name: String,
    pub text: String,
    hash: Sha256,
    operations: Vec<Node<OperationDefinition>>,
}

impl Saved {
    /// A document by this name. The text is not checked: what is wrong with it is an error of who
    /// asks for it.
    pub(crate) fn new(name: String, text: String) -> Saved {
        let parsed = Document::parse(without_descriptions(&text), &name);
        let document = parsed.unwrap_or_else(|faulty| faulty.partial);
        let operations = document.definitions.into_iter().filter_map(|part| match part {
            Definition::OperationDefinition(operation) => Some(operation),
            _ => None,
        });
        Saved {
            hash: Sha256::of(text.as_bytes()),
            operations: operations.collect(),
            name,
            text,
        }
    }
}

impl Documents {
    pub(super) fn new(limits: &Limits, trusted_only: bool) -> Documents {
        Documents {
            trusted: ArcSwap::default(),
            trusted_only,
            persisted: Mutex::new(Persisted::new(limits.persisted_bytes)),
            number: AtomicU64::new(0),
            query_bytes: limits.query_bytes,
        }
    }

    /// Puts these in the place of the ones that were trusted before.
    pub(super) fn trust(&self, documents: Vec<Saved>) {
        let mut trusted = Trusted::default();
        for saved in documents.into_iter().map(Arc::new) {
            trusted.by_hash.insert(saved.hash, saved.clone());
            trusted.by_name.insert(saved.name.clone(), saved);
        }
        self.trusted.store(Arc::new(trusted));
        // Afterwards: whoever finds an old document has an old number.
        self.number.fetch_add(1, Ordering::AcqRel);
    }

    /// What is found under a name is the same as long as this number is.
    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// Every trusted document, by name.
    pub(super) fn all(&self) -> Vec<Arc<Saved>> {
        self.trusted.load().by_name.values().cloned().collect()
    }

    /// The trusted document of this name.
    pub(super) fn saved(&self, name: &str) -> Result<Arc<Saved>, ApiError> {
        let trusted = self.trusted.load();
        let found = trusted.by_name.get(name).cloned();
        found.ok_or_else(|| {
            let near = did_you_mean(name, trusted.by_name.keys().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            ApiError::new(
                Code::DocumentNotFound,
                format!("there is no saved query `{}`{near}", shown(name)),
            )
        })
    }

    /// The request with its document's text, however it named it.
    pub(super) fn resolve(&self, mut request: ApiRequest) -> Result<ApiRequest, ApiError> {
        match request.named.take() {
            None => self.admit(&request.query)?,
            Some(Named::Id(id)) => request.query = self.by_id(&id)?,
            Some(Named::Hash(hash)) if request.query.is_empty() => request.query = self.by_hash(hash)?,
            Some(Named::Hash(hash)) => self.persist(hash, &request.query)?,
        }
        Ok(request)
    }

    /// Refuses a text that is not trusted where only trusted ones are answered.
    fn admit(&self, text: &str) -> Result<(), ApiError> {
        if !self.trusted_only || self.trusts(Sha256::of(text.as_bytes())) {
            return Ok(());
        }
        let message = "only documents that the server trusts are answered here; ask for one by its `documentId`";
        Err(ApiError::new(Code::DocumentNotTrusted, message))
    }

    fn trusts(&self, hash: Sha256) -> bool {
        self.trusted.load().by_hash.contains_key(&hash)
    }

    fn by_id(&self, id: &str) -> Result<String, ApiError> {
        let Some((prefix, rest)) = id.split_once(':') else {
            return self.saved(id).map(|saved| saved.text.clone());
        };
        let hash = Some(rest)
            .filter(|_| format!("{prefix}:") == PREFIX)
            .and_then(Sha256::of_hex);
        let hash = hash.ok_or_else(|| {
            let message = format!(
                "`documentId` is the name of a saved query, or {PREFIX} and 64 hexadecimal digits, not `{}`",
                shown(id)
            );
            ApiError::new(Code::DocumentNotFound, message)
        })?;
        self.known(hash).ok_or_else(|| {
            let message = format!("the server has no document `{}`; send it as `query`", shown(id));
            ApiError::new(Code::DocumentNotFound, message)
        })
    }

    /// In the words that Apollo's clients look for: they send the text next.
    fn by_hash(&self, hash: Sha256) -> Result<String, ApiError> {
        if let Some(text) = self.known(hash) {
            return Ok(text);
        }
        Err(match (self.trusted_only, lock(&self.persisted).keeps()) {
            (true, _) => ApiError::new(
                Code::DocumentNotTrusted,
                "only documents that the server trusts are answered here, and none of them has this hash",
            ),
            (false, true) => ApiError::new(Code::PersistedQueryNotFound, "PersistedQueryNotFound"),
            (false, false) => ApiError::new(Code::PersistedQueryNotSupported, "PersistedQueryNotSupported"),
        })
    }

    fn known(&self, hash: Sha256) -> Option<String> {
        if let Some(saved) = self.trusted.load().by_hash.get(&hash) {
            return Some(saved.text.clone());
        }
        match self.trusted_only {
            true => None,
            false => lock(&self.persisted).get(hash),
        }
    }

    /// Keeps a text under its hash, so that the hash alone will do. One that is too long is refused
    /// later, with the limit's name.
    fn persist(&self, hash: Sha256, text: &str) -> Result<(), ApiError> {
        if Sha256::of(text.as_bytes()) != hash {
            let message = "`extensions.persistedQuery.sha256Hash` is not the SHA-256 of `query`";
            return Err(ApiError::new(Code::BadUserInput, message));
        }
        self.admit(text)?;
        if text.len() <= self.query_bytes && !self.trusts(hash) {
            lock(&self.persisted).put(hash, text);
        }
        Ok(())
    }
}

fn shown(id: &str) -> String {
    match id.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::read_json;

    const TEXT: &str = "{ items { id } }";

    fn documents(limits: &Limits, trusted_only: bool) -> Documents {
        let documents = Documents::new(limits, trusted_only);
        documents.trust(vec![Saved::new("item-list".to_owned(), TEXT.to_owned())]);
        documents
    }

    fn hex(text: &str) -> String {
        Sha256::of(text.as_bytes()).to_string()
    }

    /// The text that a request comes to, or the code and the message of why it does not.
    fn asked(documents: &Documents, request: serde_json::Value) -> Result<String, (Code, String)> {
        let request: ApiRequest = read_json(request.to_string().as_bytes()).expect("a request");
        let resolved = documents.resolve(request);
        resolved
            .map(|request| request.query)
            .map_err(|error| (error.code, error.message))
    }

    fn persisted(hash: &str) -> serde_json::Value {
        serde_json::json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
    }

    #[test]
    fn trusted_documents_have_a_name_and_a_hash() {
        let documents = documents(&Limits::default(), false);
        for id in ["item-list".to_owned(), format!("sha256:{}", hex(TEXT))] {
            let found = asked(&documents, serde_json::json!({ "documentId": id }));
            assert_eq!(found.as_deref(), Ok(TEXT), "{id}");
        }
        for (id, part) in [
            ("item-lisst", "did you mean `item-list`?"),
            ("md5:abc", "the name of a saved query"),
            ("sha256:abc", "64 hexadecimal digits"),
            (&format!("sha256:{}", hex("{ a }")), "send it as `query`"),
            (&"x".repeat(5_000), "xxx…`"),
        ] {
            let (code, message) = asked(&documents, serde_json::json!({ "documentId": id })).expect_err(id);
            assert_eq!(code, Code::DocumentNotFound);
            assert!(message.contains(part) && message.len() < 300, "{message}");
        }
        documents.trust(Vec::new());
        asked(&documents, serde_json::json!({ "documentId": "item-list" })).expect_err("it went");
    }

    #[test]
    fn what_clients_leave_is_found_by_its_hash() {
        let documents = documents(&Limits::default(), false);
        let text = "{ tags { id } }";
        let by_hash = serde_json::json!({ "extensions": persisted(&hex(text)) });
        let missing = (Code::PersistedQueryNotFound, "PersistedQueryNotFound".to_owned());
        assert_eq!(asked(&documents, by_hash.clone()), Err(missing));
        let lie = serde_json::json!({ "query": "{ b }", "extensions": persisted(&hex(text)) });
        assert_eq!(asked(&documents, lie).expect_err("a lie").0, Code::BadUserInput);
        let left = serde_json::json!({ "query": text, "extensions": persisted(&hex(text).to_uppercase()) });
        assert_eq!(asked(&documents, left).as_deref(), Ok(text));
        assert_eq!(asked(&documents, by_hash).as_deref(), Ok(text));
        let by_id = serde_json::json!({ "documentId": format!("sha256:{}", hex(text)) });
        assert_eq!(asked(&documents, by_id).as_deref(), Ok(text));
    }

    #[test]
    fn nothing_is_kept_where_there_is_no_room() {
        let none = Limits {
            persisted_bytes: 0,
            ..Limits::default()
        };
        let documents = documents(&none, false);
        let left = serde_json::json!({ "query": "{ a }", "extensions": persisted(&hex("{ a }")) });
        assert_eq!(
            asked(&documents, left).as_deref(),
            Ok("{ a }"),
            "it is answered all the same"
        );
        let by_hash = serde_json::json!({ "extensions": persisted(&hex("{ a }")) });
        let refused = asked(&documents, by_hash).expect_err("it is not kept");
        assert_eq!(refused.0, Code::PersistedQueryNotSupported);
    }

    #[test]
    fn where_only_trusted_ones_are_answered_nothing_else_is() {
        let documents = documents(&Limits::default(), true);
        for request in [
            serde_json::json!({ "query": "{ a }" }),
            serde_json::json!({ "query": "{ a }", "extensions": persisted(&hex("{ a }")) }),
            serde_json::json!({ "extensions": persisted(&hex("{ a }")) }),
        ] {
            let refused = asked(&documents, request.clone()).expect_err("it is not trusted");
            assert_eq!(refused.0, Code::DocumentNotTrusted, "{request}");
        }
        for request in [
            serde_json::json!({ "query": TEXT }),
            serde_json::json!({ "documentId": "item-list" }),
            serde_json::json!({ "extensions": persisted(&hex(TEXT)) }),
            serde_json::json!({ "query": TEXT, "extensions": persisted(&hex(TEXT)) }),
        ] {
            assert_eq!(asked(&documents, request).as_deref(), Ok(TEXT));
        }
    }
}
