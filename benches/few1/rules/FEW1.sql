/*---
id: FEW1
title:    { zh: 基准负载一, en: Workload FEW-1 }
category: flow
severity: low
action:   detect
subject:  payer_account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    bench
status:   draft
---*/
-- Count, sum and distinct counterparties of each account over exact 10 minutes; about 1 alert in 1,000 events.
SELECT event_id, event_time, payer_account AS subject, payments, total, payees
FROM (
  SELECT event_id, event_time, payer_account, amount, currency,
         count(*)                      OVER w AS payments,
         sum(amount)                   OVER w AS total,
         count(DISTINCT payee_account) OVER w AS payees
  FROM   transactions
  WHERE  currency = 'CNY'
  WINDOW w AS (PARTITION BY payer_account ORDER BY event_time
               RANGE BETWEEN INTERVAL '10 minutes' PRECEDING AND CURRENT ROW)
) AS counted
WHERE payments >= 50 AND payees >= 40 AND total >= 3000000 AND amount >= 499000
