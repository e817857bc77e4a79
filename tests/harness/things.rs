//! A world in numbered versions, in an upstream and in a database, and whether the two are equal. Knows how rows differ; how a
//! test disturbs their way is its own affair.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::{Place, Program, Reply, Scratch, Upstream, eventually};

/// More pages than those from which on an interrupted run is worth going on with.
const PAGES: usize = 24;
const PER_PAGE: usize = 15;

const DEFINITION: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\", concurrency: 4)\n\
    type Thing @fetch(source: \"up\", every: \"EVERY\", GET: \"/things?page={$page}\", rows: \".rows[]\", pages: {last: \".pages\"}, missing: DELETE, maxMissing: 1) @history {\n\
      id: ID! n: Int! labels: [String!] @index @search @select(jq: \".tags\") tags: [Tag!]! @ref(jq: \".tags[]\") parts: [Part!]! @nested(jq: \".parts[]\") }\n\
    type Tag { id: ID! things: [Thing!]! @inverse(field: \"tags\") }\n\
    type Part { thing: Thing! name: String! @id size: Int! }\n";

/// Of `FAILPOINTS`: each page is a commit of its own.
pub const PAGE_BY_PAGE: &str = "harvest::gather=return";

/// The rows of one version: about a fifth differ from one to the next, some come, some go.
type Rows = BTreeMap<String, Value>;

fn version(number: u64) -> Rows {
    let mut random = StdRng::seed_from_u64(number);
    let mut rows = BTreeMap::new();
    for id in 0..PAGES * PER_PAGE {
        if random.random_bool(0.05) {
            continue;
        }
        let stays = random.random_bool(0.8);
        let n = if stays {
            id as u64
        } else {
            random.random_range(0..1_000)
        };
        let part = |part: u64| json!({ "name": format!("p{part}"), "size": n + part });
        let parts: Vec<Value> = (0..n % 3).map(part).collect();
        let tags = [format!("t{}", n % 7), format!("t{}", n % 5 + 10)];
        let row = json!({ "id": id.to_string(), "n": n, "tags": tags, "parts": parts });
        rows.insert(format!("{id:06}"), row);
    }
    rows
}

pub struct Things {
    pub upstream: Upstream,
    pub scratch: Scratch,
    /// The version that the upstream has now.
    number: u64,
    /// How long the upstream thinks about each page.
    delay: Duration,
    /// Each page is a commit of its own.
    page_by_page: bool,
}

impl Things {
    pub const PER_PAGE: usize = PER_PAGE;

    /// How many there are upstream.
    pub fn rows(&self) -> usize {
        version(self.number).len()
    }

    /// A definition whose fetch runs `every` so often, and version 0 upstream; nothing is harvested yet.
    pub async fn new(place: Place, every: &str) -> Things {
        Things::with(place, &DEFINITION.replace("EVERY", every)).await
    }

    /// The same, where rows stay that the upstream has no more, and the schedule is a long one.
    pub async fn keeping(place: Place) -> Things {
        let definition = DEFINITION.replace("missing: DELETE, maxMissing: 1", "missing: KEEP");
        Things::with(place, &definition.replace("EVERY", "1h")).await
    }

    async fn with(place: Place, definition: &str) -> Things {
        let upstream = Upstream::start().await;
        let scratch = Scratch::at(place, definition);
        let mut things = Things {
            upstream,
            scratch,
            number: 0,
            delay: Duration::ZERO,
            page_by_page: false,
        };
        things.publish(0);
        things
    }

    /// Who serves from now on commits each page by itself, which else are gathered: for what is disturbed between commits.
    pub fn page_by_page(&mut self) {
        self.page_by_page = true;
    }

    /// The upstream takes its time over each page from now on.
    pub fn slow(&mut self, delay: Duration) {
        self.delay = delay;
        self.publish(self.number);
    }

    /// The upstream has another version from now on.
    pub fn publish(&mut self, number: u64) {
        self.number = number;
        let delay = self.delay;
        let rows: Vec<Value> = version(number).into_values().collect();
        self.upstream.handle(move |path| {
            let page: usize = path.strip_prefix("/things?page=")?.parse().ok()?;
            let slice: Vec<&Value> = rows.iter().skip((page - 1) * PER_PAGE).take(PER_PAGE).collect();
            let pages = rows.len().div_ceil(PER_PAGE);
            let page_of = Reply::json(&json!({ "rows": slice, "pages": pages }));
            Some(page_of.after(delay).behind(page))
        });
    }

    pub fn next(&mut self) {
        self.publish(self.number + 1);
    }

    /// Lets pages up to this one be read; who asks for another waits.
    pub fn open(&self, page: usize) {
        self.upstream.open(page);
    }

    /// Waits until so many pages of the first harvest are stored, and no more.
    pub async fn reach(&self, pages: usize) {
        let rows = (pages * PER_PAGE).to_string();
        eventually(&format!("{pages} pages are stored"), || async {
            (self.scratch.rows("SELECT count(*) FROM thing").await == [[rows.clone()]]).then_some(())
        })
        .await;
    }

    pub async fn serve(&self) -> Program {
        let url = self.upstream.url();
        let points = if self.page_by_page { PAGE_BY_PAGE } else { "" };
        self.scratch.serve(&[("UP", &url), ("FAILPOINTS", points)]).await
    }

    /// A whole harvest by hand, after which the database has what the upstream has.
    pub async fn harvest(&self) {
        self.scratch.bury_the_dead().await;
        let url = self.upstream.url();
        let harvest = self.scratch.run(&["harvest"], &[("UP", &url)]).await;
        assert_eq!(harvest.code, Some(0), "version {}: {harvest:?}", self.number);
        self.check().await;
    }

    /// Waits until a serving process has brought what the upstream has, then looks at the log too.
    pub async fn arrive(&self, program: &Program) {
        let want = version(self.number);
        let number = self.number;
        eventually(&format!("version {number} arrives; {}", program.log()), || async {
            (self.stored().await == want).then_some(())
        })
        .await;
        self.check_items().await;
        self.check_words(&want).await;
        self.check_history().await;
        self.check_log(&want).await;
    }

    /// The database has what the upstream has, and its log says how that came.
    pub async fn check(&self) {
        let (stored, rows) = (self.stored().await, version(self.number));
        let differs = rows.iter().find(|(key, row)| stored.get(*key) != Some(*row));
        assert!(
            stored == rows,
            "version {}: {} of {} rows, {differs:?}",
            self.number,
            stored.len(),
            rows.len()
        );
        self.check_items().await;
        self.check_words(&rows).await;
        self.check_history().await;
        self.check_log(&rows).await;
    }

    /// What SQLite keeps of an indexed list are the items of the rows.
    async fn check_items(&self) {
        if self.scratch.database().starts_with("sqlite") {
            let own = "SELECT DISTINCT thing._row,e.value FROM thing,json_each(thing.labels) AS e";
            let kept = "SELECT _row,value FROM \"thing$labels$items\"";
            let differs = format!("SELECT * FROM ({own} EXCEPT {kept}) UNION ALL SELECT * FROM ({kept} EXCEPT {own})");
            assert_eq!(self.scratch.rows(&differs).await, Vec::<Vec<String>>::new());
        }
    }

    /// What is searched are the words of the rows, and the index finds them.
    async fn check_words(&self, rows: &Rows) {
        let kept = self.scratch.rows("SELECT id,_words FROM thing ORDER BY _row").await;
        let kept: BTreeMap<String, String> = kept
            .into_iter()
            .map(|line| (format!("{:0>6}", line[0]), line[1].clone()))
            .collect();
        let words = |row: &Value| {
            format!(
                "{} | {} |",
                row["tags"][0].as_str().unwrap_or(""),
                row["tags"][1].as_str().unwrap_or("")
            )
        };
        let want: BTreeMap<String, String> = rows.iter().map(|(key, row)| (key.clone(), words(row))).collect();
        assert_eq!(kept, want, "the words of the rows");
        if self.scratch.database().starts_with("sqlite") {
            // It fails where the index and the words of the rows do not agree.
            let check = "INSERT INTO \"thing$search\"(\"thing$search\",rank) VALUES ('integrity-check',1)";
            self.scratch.rows(check).await;
            for tag in ["t0", "t3", "t12"] {
                let found = format!("SELECT rowid FROM \"thing$search\" WHERE \"thing$search\" MATCH '\"{tag}\"'");
                let own = format!("SELECT _row FROM thing WHERE ' '||_words||' ' LIKE '% {tag} %'");
                let differs =
                    format!("SELECT * FROM ({own} EXCEPT {found}) UNION ALL SELECT * FROM ({found} EXCEPT {own})");
                assert_eq!(self.scratch.rows(&differs).await, Vec::<Vec<String>>::new(), "{tag}");
            }
        }
    }

    /// The present versions are the rows, links and children, and each that has ended was followed by the next one, unless its
    /// row went.
    async fn check_history(&self) {
        for (table, columns) in [
            ("thing", "_row,id,n,labels"),
            ("thing_tags", "owner_id,_position,target_id"),
            ("part", "_row,thing_id,name,size,_position"),
        ] {
            let rows = format!("SELECT {columns} FROM {table}");
            let kept = format!("SELECT {columns} FROM \"{table}$history\" WHERE _until IS NULL");
            let differs = format!(
                "(SELECT * FROM ({rows} EXCEPT {kept}) AS a UNION ALL SELECT * FROM ({kept} EXCEPT {rows}) AS b)"
            );
            let count = format!("SELECT count(*) FROM {differs} AS c");
            assert_eq!(
                self.scratch.rows(&count).await,
                [["0"]],
                "the present versions of {table}"
            );
        }
        for table in ["thing", "part"] {
            let next = format!("SELECT 1 FROM \"{table}$history\" AS n WHERE n._row=h._row AND n._from=h._until");
            let lost = format!(
                "SELECT count(*) FROM \"{table}$history\" AS h WHERE h._until<=h._from OR h._gone=0 AND NOT EXISTS ({next})"
            );
            assert_eq!(self.scratch.rows(&lost).await, [["0"]], "the versions of {table}");
        }
    }

    /// All that the database holds, read without Hayloft: rows, links and children by id.
    async fn stored(&self) -> Rows {
        // One statement, so one moment, also while it is written to.
        let all = "SELECT 'thing',id,CAST(n AS TEXT),'',0 FROM thing \
                   UNION ALL SELECT 'tag',owner_id,target_id,'',_position FROM thing_tags \
                   UNION ALL SELECT 'part',thing_id,name,CAST(size AS TEXT),_position FROM part ORDER BY 5";
        let lines = self.scratch.rows(all).await;
        let of = |kind: &'static str| lines.iter().filter(move |line| line[0] == kind);
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let mut things = BTreeMap::new();
        for line in of("thing") {
            let thing = json!({ "id": line[1], "n": number(&line[2]), "tags": [], "parts": [] });
            assert!(
                things.insert(format!("{:0>6}", line[1]), thing).is_none(),
                "{} twice",
                line[1]
            );
        }
        let mut append = |id: &str, list: &str, entry: Value| {
            let thing = things.get_mut(&format!("{id:0>6}"));
            let thing = thing.unwrap_or_else(|| panic!("{list} of {id} without owner"));
            thing[list].as_array_mut().expect("a list").push(entry);
        };
        of("tag").for_each(|line| append(&line[1], "tags", json!(line[2])));
        of("part").for_each(|line| append(&line[1], "parts", json!({ "name": line[2], "size": number(&line[3]) })));
        things
    }

    /// The log counts without gaps, and who replays it from its beginning has exactly the rows: each comes before it changes
    /// or goes, and none comes twice.
    async fn check_log(&self, rows: &Rows) {
        let log = "SELECT seq,op,row_key FROM hayloft_change_log WHERE type='Thing' ORDER BY seq";
        let mut present = BTreeSet::new();
        for entry in &self.scratch.rows(log).await {
            let [seq, op, key] = entry.as_slice() else {
                panic!("{entry:?}")
            };
            let fits = match op.as_str() {
                "new" => present.insert(key.clone()),
                "changed" => present.contains(key),
                _ => present.remove(key),
            };
            assert!(fits, "entry {seq}: {op} {key}");
        }
        let want: BTreeSet<String> = rows.values().map(|row| json!([row["id"]]).to_string()).collect();
        assert_eq!(present, want, "replaying the log");
        let ends = "SELECT min(seq),max(seq),count(*),(SELECT seq FROM hayloft_feed_head) FROM hayloft_change_log";
        let ends = self.scratch.rows(ends).await;
        let ends: Vec<u64> = ends[0].iter().map(|end| end.parse().expect("a number")).collect();
        let [first, last, count, head] = ends[..] else {
            panic!("{ends:?}")
        };
        assert_eq!(
            (last - first + 1, head),
            (count, last),
            "the log is dense and ends at its head"
        );
    }

    /// SQLite's own check of its file.
    pub async fn check_file(&self) {
        if self.scratch.database().starts_with("sqlite") {
            assert_eq!(self.scratch.rows("PRAGMA integrity_check").await, [["ok"]]);
        }
    }
}
