"""A third engine's answers: runs rule texts in DuckDB.

One case a line on standard input: {"sql": .., "views": [..], "tables": {name: Parquet file}, "params": {name: value}}.
One answer a line: {"rows": [{column: value}]} or {"error": ..}. Times are microseconds since 1970.
"""
import datetime
import json
import re
import sys

import duckdb

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
# Ours: the value at the first or last row of the frame, NULL too.
OURS = [
    (r"\bearliest\((.+?), event_time, event_id\)", r"arg_min_null(\1, (event_time, event_id))"),
    (r"\blatest\((.+?), event_time, event_id\)", r"arg_max_null(\1, (event_time, event_id))"),
    (r"\bvar\(", "var_samp("),
    (r"\bmean\(", "avg("),
]


def plain(value):
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(microseconds=1)
    return value


def literal(value):
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower()


def respell(text, params):
    for pattern, ours in OURS:
        text = re.sub(pattern, ours, text)
    return re.sub(r"param\('(\w+)', [^)]+\)", lambda found: literal(params[found.group(1)]), text)


def answer(case):
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    for name, file in case["tables"].items():
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM '{file}'")
    for view in case["views"]:
        con.execute(view)
    found = con.execute(respell(case["sql"], case["params"]))
    names = [column[0] for column in found.description]
    return [{name: plain(value) for name, value in zip(names, row)} for row in found.fetchall()]


for line in sys.stdin:
    try:
        result = {"rows": answer(json.loads(line))}
    except Exception as error:
        result = {"error": str(error)}
    print(json.dumps(result, default=str), flush=True)
