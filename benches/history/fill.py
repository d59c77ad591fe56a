"""Adds days of made-up payments to a history that `foreshock demo --history DIR` made: DIR, days, payments a day.
Accounts pay by a skewed draw, so that some have many payments; half of the columns are empty, as in most feeds."""
import datetime
import sys

import numpy
import pyarrow
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

FIRST = datetime.date(2026, 3, 10)
ACCOUNTS = 300_000
BANKS = ["bank-a", "bank-b", "bank-c"]
DISTRICTS = ["440303", "440304", "440305", "440306"]


def transactions(schema, day, number, rows, random):
    midnight = int(datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.timezone.utc).timestamp() * 1_000_000)
    times = numpy.sort(random.integers(0, 86_400_000_000, rows)) + midnight
    skewed = (random.random((2, rows)) ** 3 * ACCOUNTS).astype(numpy.int64)
    account = lambda side: pyarrow.array([f"acct-{n:08x}" for n in skewed[side]])
    choice = lambda values: pyarrow.array(random.choice(values, rows))
    reporters = random.choice(BANKS, rows)
    records = [f"H{number}-{n}" for n in range(rows)]
    ids = [f"tx:{reporter}:{record}" for reporter, record in zip(reporters, records)]
    made = {
        "event_id": pyarrow.array(ids), "event_time": pyarrow.array(times, pyarrow.timestamp("us", "UTC")), "reporter": pyarrow.array(reporters),
        "tx_id": pyarrow.array(records), "channel": pyarrow.array(["MOBILE_APP"] * rows),
        "kind": choice(["TRANSFER", "CARD_PURCHASE"]), "status": pyarrow.array(["ACSC"] * rows),
        "amount": pyarrow.array(random.integers(100, 5_000_000, rows)), "currency": pyarrow.array(["CNY"] * rows),
        "direction": pyarrow.array(["DEBIT"] * rows), "payer_account": account(0), "payee_account": account(1),
        "payer_institution": choice(BANKS), "payee_institution": choice(BANKS),
        "payer_account_type": pyarrow.array(["PERSONAL"] * rows), "payee_account_type": pyarrow.array(["PERSONAL"] * rows),
        "payer_district": choice(DISTRICTS), "payee_district": choice(DISTRICTS),
        "payer_age_band": pyarrow.array(["25_34"] * rows), "payee_age_band": pyarrow.array(["25_34"] * rows),
        "first_time_payee": pyarrow.array(random.random(rows) < 0.1), "fate": pyarrow.array(["counts"] * rows),
        "seq": pyarrow.array((number << 24) + numpy.arange(rows)), "ingest_time": pyarrow.array(times, pyarrow.timestamp("us", "UTC")),
        "day": pyarrow.array([day] * rows, pyarrow.date32()),
    }
    columns = [made.get(field.name, pyarrow.nulls(rows, field.type)).cast(field.type) for field in schema]
    return pyarrow.table(columns, schema=schema)


def add(place, table, number):
    commit = CommitProperties(app_transactions=[Transaction("foreshock", number)])
    write_deltalake(place, table, mode="append", commit_properties=commit)


def main():
    folder, days, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    batches, payments = DeltaTable(f"{folder}/batches"), DeltaTable(f"{folder}/transactions")
    schema = pyarrow.schema(payments.schema().to_arrow())
    batch_schema = pyarrow.schema(batches.schema().to_arrow())
    random = numpy.random.default_rng(1)
    number = 1_000
    for at in range(days):
        day, number = FIRST + datetime.timedelta(days=at), 1_000 + at
        add(f"{folder}/transactions", transactions(schema, day, number, rows, random), number)
        print(day, flush=True)
    end = datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.timezone.utc) + datetime.timedelta(days=1)
    row = {"number": number, "as_of": end, "records": rows, "results": 0, "owner": "made up", "rules": "", "digest": "",
           "seq": number << 24, "ingest_time": end, "day": day}
    add(f"{folder}/batches", pyarrow.Table.from_pylist([row], batch_schema), number)


main()
