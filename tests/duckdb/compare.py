"""A third engine's answer: runs rule files unchanged in DuckDB on imported Parquet and compares the event ids with ours.

usage: compare.py EVENTS.parquet OURS.ndjson CURRENCY RULE..      (pip install duckdb)
`param` becomes a macro with the default, views are those of sql/views. Choose rules without our own aggregates.
"""
import json
import pathlib
import re
import sys

import duckdb

events, ours, currency, *rules = sys.argv[1:]
sql = pathlib.Path(__file__).parents[2] / "sql"
con = duckdb.connect()
con.execute("SET TimeZone = 'UTC'")
con.execute(f"CREATE TABLE transactions AS SELECT * FROM '{events}'")
con.execute("CREATE MACRO param(name, value) AS value")
con.execute((sql / "views/legs.sql").read_text())
failed = 0
lines = [json.loads(line) for line in open(ours)]
for rule in rules:
    text = (sql / f"rules/{rule}.sql").read_text()
    text = re.sub(r"param\('currency', '\w+'\)", f"'{currency}'", text)
    rows = {(str(r[0])) for r in con.execute(text).fetchall()}
    mine = {line["event_id"] for line in lines if line["rule_id"] == rule}
    print(f"{rule}: DuckDB {len(rows)}, ours {len(mine)}, in one only {len(rows ^ mine)}")
    failed += len(rows ^ mine)
sys.exit(failed > 0)
