//! What a format is for those who do not know it: bytes go in, records come out one by one, and
//! what the page says of the others. Knows no format, and nothing of what becomes of a record.

use bytes::Bytes;
use jaq_json::Val;
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::Fetch,
    harvest::{
        allowance::Allowance,
        error::{PageFault, Stop},
        refusal::At,
        secrets::Secrets,
        text::Long,
    },
    store::Refused,
};

/// One format. It keeps nothing from page to page.
pub(in crate::harvest) trait Decoder: Sync {
    /// From how many bytes on a page of this fetch is better read in pieces from where it lies;
    /// none: it is read in memory only.
    fn in_pieces_from(&self, fetch: &Fetch) -> Option<u64>;

    /// Whether a text tells by itself where it ends. Of other formats only the headers of an answer
    /// say whether all of it has come.
    fn ends_by_itself(&self) -> bool;

    /// Reads a page to its end, and gives each record to the sink as soon as it is there. What is
    /// broken in it is refused alone, where its end is plain. A text that breaks off is a fault:
    /// when there is none, all of the page was seen.
    fn read(&self, text: Long<'_>, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop>;
}

/// What a page is read with.
pub(in crate::harvest) struct DecodeContext<'r> {
    pub fetch: &'r Fetch,
    /// How faults name the page.
    pub place: &'r str,
    /// Those of the filters.
    pub variables: &'r [Val],
    pub allowance: &'r Allowance,
    /// Nobody needs the page any more.
    pub cancel: &'r CancellationToken,
    /// Of a text that lies as it came: what is to be covered in it.
    pub secrets: Option<&'r Secrets>,
}

/// What becomes of the records of a page.
pub(in crate::harvest) trait Sink {
    /// So many more bytes of the page were read.
    fn came(&mut self, bytes: u64);

    /// What stands around the records, before the first of them. A format that has nothing there
    /// does not call it.
    fn envelope(&mut self, envelope: Envelope<'_>) -> Result<(), Stop>;

    /// Whether a value can be a record at all. Where it cannot, `rows` is wrong, and not the data
    /// of this page.
    fn check(&self, record: &Val) -> Result<(), PageFault>;

    /// Takes the text of a record that need not be read as a whole. False: it is to be read.
    /// `bytes` is its share of the page.
    fn plain(&mut self, text: &Bytes, bytes: u64) -> Result<bool, Stop>;

    /// The names under which all is looked for that a record has of a row, where nothing else is
    /// asked of it.
    fn names(&self) -> Option<Vec<String>>;

    /// Takes the values under these names. False: the record is to be given as a whole.
    fn named(&mut self, values: &[Option<Val>], bytes: u64) -> Result<bool, Stop>;

    /// Takes a record.
    fn record(&mut self, record: &Val, bytes: u64, at: At) -> Result<(), Stop>;

    /// Takes what stands in the place of a record, and is none.
    fn refuse(&mut self, refused: Refused, bytes: u64, at: At) -> Result<(), Stop>;
}

/// What a page says beside its records.
pub(in crate::harvest) struct Envelope<'p> {
    /// The page as filters see it; of one that is read in pieces without what is in its list.
    pub page: &'p Val,
    /// How many values there are of which records come.
    pub items: u64,
    /// The only record, where it was looked for.
    pub alone: Option<&'p Val>,
    /// Each of these values is one record, so that their number is known by now.
    pub counted: bool,
}

impl DecodeContext<'_> {
    /// A part of the page without the credentials that it repeats.
    pub(super) fn covered(&self, part: Bytes) -> Bytes {
        match self.secrets {
            Some(secrets) => secrets.cover(part),
            None => part,
        }
    }

    /// From now on, filters may take as long as for one record.
    pub(super) fn allow(&self) {
        self.allowance.begin();
    }

    /// What filters said after their time was over, or after a stop, means nothing.
    pub(super) fn in_time(&self) -> Result<(), Stop> {
        self.allowance.in_time(self.place)
    }

    /// Nobody needs the page any more.
    pub(super) fn wanted(&self) -> Result<(), Stop> {
        match self.cancel.is_cancelled() {
            true => Err(Stop::Gone),
            false => Ok(()),
        }
    }

    /// How faults name a place of the page: lines are told, items are found by `rows`.
    pub(super) fn place_of(&self, at: At) -> String {
        match at {
            At::Record(_) => self.place.to_owned(),
            At::Line(line) => format!("{}, line {line}", self.place),
        }
    }
}
