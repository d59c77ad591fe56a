/*---
id: T06
title:    { zh: 补换卡后转账, en: "SIM swap, then a transfer" }
category: joint
severity: high
action:   block
measure:  STOP_PAYMENT
subject:  payee_account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   live
params:
  currency:   { default: CNY }
  min_amount: { default: 500000, unit: minor, min: 100, max: 1000000000 }
---*/
-- Pattern: SIM swapped at most 72 h ago, then a transfer to a payee never paid before. The victim is the payer: what is
-- asked for is a stop on the payee's account, at the payee's bank. A payee is new for as long as the swap is, and what
-- it was paid in that time adds up: the thief pays in parts. Looks alike: lost phone, eSIM move, number porting, whose owners go on paying those whom they have always paid.
-- Published: up to 240 h (CAMARA), 72 h for a step-up.
-- To calibrate: min_amount; how many honest swaps a day there are.
SELECT event_id, event_time, counterparty AS subject,
       paid AS amount_at_risk, currency, counterparty_institution AS institution, district,
       account AS victim, institution AS victim_institution, swapped_at, swapped_at >= event_time - INTERVAL '24 hours' AS within_24h
FROM (
  SELECT event_id, event_time, what, kind, status, account, counterparty, amount, currency, institution, district,
         counterparty_institution, counterparty_account_type, first_time_payee,
         max(event_time) FILTER (WHERE what = 'SIM_SWAP' OR anomaly = 'SIM_SWAP') OVER last_days AS swapped_at,
         sum(amount) FILTER (WHERE kind = 'TRANSFER' AND status <> 'RJCT' AND currency = param('currency', 'CNY'))
                                                                                  OVER pair_days AS paid,
         earliest(first_time_payee, event_time, event_id) FILTER (WHERE what = 'PAYMENT' AND status <> 'RJCT')
                                                                                  OVER pair_days AS new_then,
         max(event_time) FILTER (WHERE what = 'PAYMENT' AND status <> 'RJCT')     OVER pair_past AS last_paid
  FROM   activity
  WINDOW last_days AS (PARTITION BY phone ORDER BY event_time
                       RANGE BETWEEN INTERVAL '72 hours' PRECEDING AND CURRENT ROW),
         pair_days AS (PARTITION BY coalesce(account, phone), coalesce(counterparty, phone) ORDER BY event_time
                       RANGE BETWEEN INTERVAL '72 hours' PRECEDING AND CURRENT ROW),
         pair_past AS (PARTITION BY coalesce(account, phone), coalesce(counterparty, phone) ORDER BY event_time
                       RANGE BETWEEN INTERVAL '90 days' PRECEDING AND INTERVAL '72 hours 1 microsecond' PRECEDING)
) AS seen
WHERE what = 'PAYMENT' AND kind = 'TRANSFER' AND counterparty IS NOT NULL AND status <> 'RJCT'
  AND counterparty <> account AND counterparty_account_type <> 'INTERNAL'
  AND currency = param('currency', 'CNY') AND paid >= param('min_amount', 500000)
  AND coalesce(new_then, last_paid IS NULL)
  AND swapped_at IS NOT NULL
