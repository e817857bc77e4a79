//! What a transaction changed, as entries of the change log. Knows that log; no rows of a definition, no readers.
