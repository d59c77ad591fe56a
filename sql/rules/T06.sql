/*---
id: T06
title:    { zh: 补换卡后转账, en: "SIM swap, then a transfer" }
category: joint
severity: high
action:   block
measure:  STOP_PAYMENT
subject:  account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   live
params:
  currency:   { default: CNY }
  min_amount: { default: 500000, unit: minor, min: 100, max: 1000000000 }
---*/
-- Pattern: SIM swapped at most 72 h ago, then money leaves. Looks alike: lost phone, eSIM move, number porting.
SELECT event_id, event_time, account AS subject,
       amount AS amount_at_risk, currency, institution, district,
       counterparty, swapped_at, swapped_at >= event_time - INTERVAL '24 hours' AS within_24h
FROM (
  SELECT event_id, event_time, what, status, account, counterparty, amount, currency, institution, district,
         max(event_time) FILTER (WHERE what = 'SIM_SWAP' OR anomaly = 'SIM_SWAP') OVER last_days AS swapped_at
  FROM   activity
  WINDOW last_days AS (PARTITION BY phone ORDER BY event_time
                       RANGE BETWEEN INTERVAL '72 hours' PRECEDING AND CURRENT ROW)
) AS seen
WHERE what = 'PAYMENT' AND account IS NOT NULL AND status <> 'RJCT'
  AND currency = param('currency', 'CNY') AND amount >= param('min_amount', 500000)
  AND swapped_at IS NOT NULL
