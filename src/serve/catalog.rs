//! Tables about tables, rules and codes.

use crate::serve::register;
use crate::serve::session::STANDING;
use crate::serve::store::State;
use crate::serve::tables::{self, ResultTable};
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use foreshock_compiler::{Pack, Status, data_type};
use foreshock_core::schema::Check;
use foreshock_core::{Feed, Type};
use std::sync::Arc;

/// Views that are made of others.
const VIEWS: [(&str, &str); 1] = [(
    "institutions",
    "SELECT reporter AS institution, feed, count(*) AS events, min(event_time) AS first_event_time, \
     max(event_time) AS last_event_time, max(ingest_time) AS last_seen FROM (\
     SELECT reporter, 'transactions' AS feed, event_time, ingest_time FROM transactions UNION ALL \
     SELECT reporter, 'telecom', event_time, ingest_time FROM telecom UNION ALL \
     SELECT reporter, 'complaints', event_time, ingest_time FROM complaints UNION ALL \
     SELECT reporter, 'suspicious_reports', event_time, ingest_time FROM suspicious_reports) GROUP BY reporter, feed",
)];

/// Is it a view of who reports, and of nobody that they report about?
pub fn is_about_institutions(view: &str) -> bool {
    VIEWS.iter().any(|(name, _)| *name == view)
}

/// What does not change while a reader runs.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Name and query of each view, in an order in which each may use those before it.
    pub views: Vec<(String, String)>,
    /// The rules themselves.
    pub pack: Arc<Pack>,
    rules: RecordBatch,
    columns: RecordBatch,
    codes: RecordBatch,
    areas: RecordBatch,
}

impl Facts {
    /// With the rules of this pack.
    ///
    /// # Errors
    /// When a view of the pack has another form than `CREATE VIEW name AS query`.
    pub fn new(pack: &Pack) -> anyhow::Result<Facts> {
        let mut views: Vec<(String, String)> = VIEWS.map(|(name, query)| (name.to_owned(), query.to_owned())).into();
        for text in &pack.views {
            views.push(view(text).ok_or_else(|| anyhow::anyhow!("not `CREATE VIEW name AS query`: {text}"))?);
        }
        Ok(Facts {
            views,
            pack: Arc::new(pack.clone()),
            rules: rules(pack),
            columns: columns(),
            codes: codes(),
            areas: areas(),
        })
    }
}

/// Name and query of `CREATE VIEW name AS query`, with comments before it.
fn view(text: &str) -> Option<(String, String)> {
    let lines = text.lines().skip_while(|line| line.trim().is_empty() || line.trim_start().starts_with("--"));
    let text: String = lines.collect::<Vec<_>>().join("\n");
    let rest = text.trim_start().strip_prefix("CREATE VIEW")?.trim_start();
    let (name, query) = rest.split_once(char::is_whitespace)?;
    let query = query.trim_start().strip_prefix("AS")?;
    Some((name.to_owned(), query.trim().trim_end_matches(';').to_owned()))
}

/// Tables in `public`.
pub fn tables(facts: &Facts, state: &State) -> [(&'static str, RecordBatch); 5] {
    [
        ("rules", facts.rules.clone()),
        ("columns", facts.columns.clone()),
        ("codes", facts.codes.clone()),
        ("areas", facts.areas.clone()),
        ("rule_versions", versions(state)),
    ]
}

/// Columns of a small table.
pub struct Grid(Arc<Schema>);

impl Grid {
    /// With these columns.
    pub fn new(columns: &[(&str, Type)]) -> Grid {
        let fields: Vec<Field> = columns.iter().map(|(name, ty)| Field::new(*name, data_type(*ty), true)).collect();
        Grid(Arc::new(Schema::new(fields)))
    }

    /// Its rows, column by column.
    ///
    /// # Panics
    /// When they are not its columns: a fault of this program.
    pub fn finish(self, columns: Vec<ArrayRef>) -> RecordBatch {
        RecordBatch::try_new(self.0, columns).expect("columns of the table")
    }
}

/// A column of texts.
pub fn texts<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

/// A column of times, microseconds.
pub fn times(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
}

fn rules(pack: &Pack) -> RecordBatch {
    let names = [
        "id",
        "version",
        "title_zh",
        "title_en",
        "category",
        "severity",
        "action",
        "measure",
        "fraud_type",
        "status",
        "owner",
        "params",
        "text",
    ];
    let grid = Grid::new(&names.map(|name| (name, Type::Text)));
    let column = |value: &dyn Fn(&foreshock_compiler::Rule) -> String| texts(pack.rules.iter().map(|r| Some(value(r))));
    let word = |value: String| value.to_lowercase();
    grid.finish(vec![
        column(&|r| r.header.id.clone()),
        column(&|r| r.version.clone()),
        column(&|r| r.header.title.zh.clone()),
        column(&|r| r.header.title.en.clone()),
        column(&|r| word(format!("{:?}", r.header.category))),
        column(&|r| word(format!("{:?}", r.header.severity))),
        column(&|r| word(format!("{:?}", r.header.action))),
        texts(pack.rules.iter().map(|r| r.header.measure.clone())),
        column(&|r| r.header.fraud_type.clone()),
        column(&|r| {
            if r.header.status == Status::Live { "live".into() } else { word(format!("{:?}", r.header.status)) }
        }),
        column(&|r| r.header.owner.clone()),
        column(&|r| {
            let params: Vec<String> = r.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
            params.join(" ")
        }),
        column(&|r| r.sql.clone()),
    ])
}

fn versions(state: &State) -> RecordBatch {
    let grid = Grid::new(&[
        ("rule_id", Type::Text),
        ("rule_version", Type::Text),
        ("live", Type::Boolean),
        ("since_batch", Type::Bigint),
    ]);
    // As a batch tells it: `RULE=version`, and `=live` after it for one that acts.
    let part = |at: usize| texts(state.in_force.iter().map(move |(_, rule)| rule.split('=').nth(at)));
    let is_live = |(_, rule): &(u64, String)| Some(rule.ends_with("=live"));
    grid.finish(vec![
        part(0),
        part(1),
        Arc::new(state.in_force.iter().map(is_live).collect::<BooleanArray>()),
        Arc::new(state.in_force.iter().map(|(number, _)| i64::try_from(*number).ok()).collect::<Int64Array>()),
    ])
}

/// Every column with its comments, also of results.
fn columns() -> RecordBatch {
    let mut rows: Vec<[String; 7]> = Vec::new();
    for feed in Feed::ALL {
        rows.extend(feed.columns().iter().map(|c| {
            let privacy = format!("{:?}", c.privacy).to_lowercase();
            [feed.table(), c.name, word_of(c.ty), c.zh, c.en, c.unit, &privacy].map(str::to_owned)
        }));
    }
    for (_, table) in tables::all() {
        rows.extend(
            table.columns.iter().map(|c| [table.name, c.name, word_of(c.ty), c.zh, c.en, "", ""].map(str::to_owned)),
        );
    }
    let names = ["table_name", "column_name", "data_type", "zh", "en", "unit", "privacy"];
    let grid = Grid::new(&names.map(|name| (name, Type::Text)));
    grid.finish((0..names.len()).map(|at| texts(rows.iter().map(|row| Some(&row[at])))).collect())
}

/// The comment of a column, or of a table where no column is named, in both languages.
pub fn comment(table: &str, column: &str) -> Option<String> {
    let both = |zh: &str, en: &str| format!("{zh} · {en}");
    let of = standing_of(table);
    let result = tables::all().map(|(_, table)| table).find(|result| result.name == of);
    if (table, column) == ("requests", "") {
        return Some(both("拦截请求的当前状态", "every blocking request as it stands; acts has its trail"));
    }
    if column.is_empty() {
        let whole = |result: &ResultTable| match of == table {
            true => both(result.zh, result.en),
            false => both("目前有效的", &format!("what stands now; {of} has every revision")),
        };
        return result.map(whole);
    }
    if table == "requests" {
        let own = register::OWN.iter().find(|(name, ..)| *name == column).map(|(_, zh, en)| both(zh, en));
        return own.or_else(|| comment("acts", column)).or_else(|| comment("blocking_drafts", column));
    }
    let of_results = || result?.columns.iter().find(|c| c.name == column).map(|c| both(c.zh, c.en));
    let feed = Feed::ALL.into_iter().find(|feed| feed.table() == table);
    let of_feeds = || feed?.columns().iter().find(|c| c.name == column).map(|c| both(c.zh, c.en));
    of_results().or_else(of_feeds).or_else(|| {
        let own = OWN_COLUMNS.iter().find(|(name, _, _)| *name == column)?;
        (result.is_some() || feed.is_some()).then(|| both(own.1, own.2))
    })
}

/// Columns that every table of the log has.
const OWN_COLUMNS: [(&str, &str, &str); 2] = [
    ("seq", "序号：批次与批内位置", "grows with the log: its batch and the place in it"),
    ("ingest_time", "入库时间", "when its broker took the record"),
];

/// The table of revisions of which a table shows the last ones, or the table itself.
fn standing_of(table: &str) -> &str {
    STANDING.iter().find(|(name, ..)| *name == table).map_or(table, |(_, revisions, ..)| revisions)
}

fn word_of(ty: Type) -> &'static str {
    match ty {
        Type::Text => "TEXT",
        Type::Bigint => "BIGINT",
        Type::Boolean => "BOOLEAN",
        Type::Time => "TIMESTAMPTZ",
    }
}

/// Areas with a name of their own.
fn areas() -> RecordBatch {
    let areas = foreshock_actions::areas::all();
    let column = |at: usize| texts(areas.iter().map(|area| Some(area[at].as_str())));
    Grid::new(&[("code", Type::Text), ("name_zh", Type::Text), ("name_en", Type::Text)]).finish(vec![
        column(0),
        column(1),
        column(2),
    ])
}

/// Every code that a column can hold.
fn codes() -> RecordBatch {
    let mut rows: Vec<[&str; 3]> = Vec::new();
    for feed in Feed::ALL {
        for column in feed.columns() {
            if let Check::Code(codes, _) | Check::OpenCode(codes, _) = column.check {
                rows.extend(codes.iter().map(|code| [feed.table(), column.name, *code]));
            }
        }
    }
    let schema = ["table_name", "column_name", "code"].map(|name| Field::new(name, DataType::Utf8, false)).to_vec();
    let columns = (0..3).map(|at| texts(rows.iter().map(|row| Some(row[at])))).collect();
    RecordBatch::try_new(Arc::new(Schema::new(schema)), columns).expect("columns of the table")
}
