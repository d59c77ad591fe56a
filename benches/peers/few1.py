"""FEW-1 by DuckDB over a file, as a batch: the answer that every other one must equal. Words: file of JSON lines, threads."""
import json
import resource
import sys
import time

import duckdb

database = duckdb.connect(config={"threads": int(sys.argv[2])})
start = time.monotonic()
found = database.execute(
    """
    SELECT id FROM (
      SELECT id, amount, count(*) OVER w AS payments, sum(amount) OVER w AS total, count(DISTINCT payee) OVER w AS payees
      FROM (SELECT txId AS id, epoch_us(creDtTm::TIMESTAMP) AS paid_at, (amount::DECIMAL(18, 2) * 100)::BIGINT AS amount,
                   debtor.accountToken AS payer, creditor.accountToken AS payee
            FROM read_json(?, format = 'newline_delimited', columns = {txId: 'VARCHAR', creDtTm: 'VARCHAR', amount: 'VARCHAR',
                           currency: 'VARCHAR', debtor: 'STRUCT(accountToken VARCHAR)', creditor: 'STRUCT(accountToken VARCHAR)'})
            WHERE currency = 'CNY')
      WINDOW w AS (PARTITION BY payer ORDER BY paid_at RANGE BETWEEN 600000000 PRECEDING AND CURRENT ROW))
    WHERE payments >= 50 AND payees >= 40 AND total >= 3000000 AND amount >= 499000
    """,
    [sys.argv[1]],
).fetchall()
seconds = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "seconds": seconds,
    "cpu_seconds": used.ru_utime + used.ru_stime,
    "peak_mb": used.ru_maxrss // 1_024,
    "found": [row[0] for row in found],
}))
