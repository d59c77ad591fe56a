//! The functions of the dialect. All of them give the same answer each time, and a value or NULL for every row: what can
//! fail for a value is either checked (`compiler/checked.rs`) or not in these lists.

/// A scalar function.
pub(super) struct Scalar {
    pub(super) name: &'static str,
    /// Fewest and most arguments.
    pub(super) arguments: (usize, usize),
    /// From this argument on, literals only: their values are tried when the rule is loaded.
    pub(super) literals_from: usize,
}

const fn any(name: &'static str, least: usize, most: usize) -> Scalar {
    Scalar { name, arguments: (least, most), literals_from: usize::MAX }
}

const fn literal(name: &'static str, least: usize, most: usize, literals_from: usize) -> Scalar {
    Scalar { name, arguments: (least, most), literals_from }
}

pub(super) const SCALARS: &[Scalar] = &[
    any("abs", 1, 1),
    any("btrim", 1, 2),
    any("ceil", 1, 1),
    any("char_length", 1, 1),
    any("character_length", 1, 1),
    any("coalesce", 1, 64),
    any("concat", 1, 64),
    any("contains", 2, 2),
    any("ends_with", 2, 2),
    any("floor", 1, 1),
    any("greatest", 1, 64),
    any("ifnull", 2, 2),
    any("least", 1, 64),
    any("length", 1, 1),
    any("lower", 1, 1),
    any("ltrim", 1, 2),
    any("nullif", 2, 2),
    any("nvl", 2, 2),
    any("octet_length", 1, 1),
    any("reverse", 1, 1),
    any("round", 1, 1),
    any("rtrim", 1, 2),
    any("starts_with", 2, 2),
    any("strpos", 2, 2),
    any("trim", 1, 2),
    any("trunc", 1, 1),
    any("upper", 1, 1),
    literal("left", 2, 2, 1),
    literal("param", 2, 2, 0),
    literal("regexp_like", 2, 3, 1),
    literal("replace", 3, 3, 1),
    literal("right", 2, 2, 1),
    literal("split_part", 3, 3, 1),
    literal("substr", 2, 3, 1),
    // Their first argument is the literal one.
    any("date_part", 2, 2),
    any("date_trunc", 2, 2),
];

/// Functions over a window with their fewest and most arguments; `compiler/windows.rs` says over which frames and types.
pub(super) const WINDOWED: &[(&str, usize, usize)] = &[
    ("avg", 1, 1),
    // `count(a, b)` would count `a` alone live.
    ("count", 0, 1),
    ("earliest", 3, 3),
    ("first_value", 1, 1),
    ("lag", 1, 3),
    ("last_value", 1, 1),
    ("latest", 3, 3),
    ("max", 1, 1),
    ("mean", 1, 1),
    ("median", 1, 1),
    ("min", 1, 1),
    ("row_number", 0, 0),
    ("stddev", 1, 1),
    ("stddev_pop", 1, 1),
    ("stddev_samp", 1, 1),
    ("sum", 1, 1),
    ("var", 1, 1),
    ("var_pop", 1, 1),
    ("var_samp", 1, 1),
];

/// Fewest and most arguments of a function over a window.
pub(super) fn windowed(name: &str) -> Option<(usize, usize)> {
    WINDOWED.iter().find(|(known, ..)| *known == name).map(|(_, least, most)| (*least, *most))
}

/// Those that are no aggregates: DataFusion reads their FILTER and drops it.
const POSITIONAL: [&str; 4] = ["first_value", "lag", "last_value", "row_number"];

/// Is the FILTER of this function over a window without effect?
pub(super) fn drops_filter(name: &str) -> bool {
    POSITIONAL.contains(&name)
}

/// Functions that people try, why they are not there and what to write: (names, message after the name, hint).
const REFUSED: &[(&[&str], &str, &str)] = &[
    (
        &["now", "current_timestamp", "current_date", "current_time", "today", "random", "rand", "uuid", "version"],
        "reads a clock or chance",
        "rules know event time only: use event_time",
    ),
    (&["array_agg", "string_agg"], "is not supported", "the evidence of a detection lists its events"),
    (&["lead"], "looks ahead", "judge the later row with `lag`"),
    (&["bool_or", "bool_and", "every"], "cannot slide", "max(CASE WHEN .. THEN 1 ELSE 0 END) for or, min(..) for and"),
    (
        &["sqrt", "ln", "log", "log2", "log10", "exp", "pow", "power", "cbrt", "factorial", "asin", "acos", "cot"],
        "has no value for some numbers, and floats hold no money",
        "multiply out in integers: x * x >= y instead of x >= sqrt(y)",
    ),
    (&["mod", "div"], "is not supported", "x % nullif(y, 0), x / nullif(y, 0)"),
    (
        &["repeat", "lpad", "rpad", "chr", "translate", "overlay"],
        "is not supported: its result has no bound, or there is none for some values",
        "compare the text itself; `||` joins texts",
    ),
    (
        &["md5", "sha224", "sha256", "sha384", "sha512", "digest", "encode", "decode"],
        "gives a type that is not kept",
        "account, phone and device are tokens already",
    ),
    (
        &["to_timestamp", "to_date", "to_time", "from_unixtime", "make_date", "make_time", "date_bin", "to_local_time"],
        "can fail for a value, or gives a type that is not kept",
        "try_cast(x AS TIMESTAMPTZ), date_trunc('day', event_time)",
    ),
    (
        &["to_char", "date_format", "strftime"],
        "has no text for times before 1677 and after 2262",
        "CAST(event_time AS TEXT), date_part('hour', event_time), date_trunc('day', event_time)",
    ),
    (
        &["regexp_match", "regexp_replace", "regexp_count", "regexp_instr"],
        "is not supported",
        "regexp_like(x, 'pattern')",
    ),
];

/// Why a name that people try is refused: (message, hint).
pub(super) fn why_not(name: &str) -> Option<(String, &'static str)> {
    let (_, why, hint) = REFUSED.iter().find(|(names, ..)| names.contains(&name))?;
    Some((format!("`{name}` {why}"), hint))
}

pub(super) fn scalar(name: &str) -> Option<&'static Scalar> {
    SCALARS.iter().find(|s| s.name == name)
}
