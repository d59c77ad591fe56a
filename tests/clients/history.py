"""Reads a history with the Python package deltalake, and the Parquet files that Delta's log names with DuckDB. In: the folder.
Out: for each table one JSON line: its name, and of both the number of rows, the sum of amounts, the highest seq."""
import json
import os
import sys

import duckdb
import pyarrow.compute as compute
from deltalake import DeltaTable


def main(folder):
    for name in sorted(os.listdir(folder)):
        table = DeltaTable(os.path.join(folder, name))
        rows = table.to_pyarrow_table()
        amount = compute.sum(rows["amount"]).as_py() if "amount" in rows.column_names else None
        by_delta = [rows.num_rows, amount, compute.max(rows["seq"]).as_py()]
        files = [uri.removeprefix("file://") for uri in table.file_uris()]
        by_duckdb = [0, None, None]
        if files:
            sums = "sum(amount)::BIGINT" if amount is not None else "NULL"
            query = f"SELECT count(*), {sums}, max(seq) FROM read_parquet({files!r}, hive_partitioning = true)"
            by_duckdb = list(duckdb.sql(query).fetchall()[0])
        print(json.dumps([name, by_delta, by_duckdb]))


main(sys.argv[1])
