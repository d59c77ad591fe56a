/*---
id: T07
title:    { zh: 设置呼叫转移后转账, en: "Calls forwarded, then a transfer" }
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
-- Pattern: calls were forwarded at most 24 h ago, so that the bank's call back and its codes reach somebody else; then a transfer to a payee
-- never paid before. The victim is the payer: what is asked for is a stop on the payee's account. Payments in parts add up.
-- Published: a case that an operator describes (CAMARA). The 24 h are ours. Looks alike: travel, a secretary, a second number; forwarding that
-- is switched off is such a change, too. To calibrate: how many customers change forwarding on a day.
SELECT event_id, event_time, counterparty AS subject,
       paid AS amount_at_risk, currency, counterparty_institution AS institution, district,
       account AS victim, institution AS victim_institution, forwarded_at
FROM (
  SELECT event_id, event_time, what, kind, status, account, counterparty, amount, currency, institution, district,
         counterparty_institution, counterparty_account_type, first_time_payee,
         max(event_time) FILTER (WHERE what = 'FORWARDING' OR anomaly = 'FORWARDING_UNCONDITIONAL') OVER last_day AS forwarded_at,
         sum(amount) FILTER (WHERE kind = 'TRANSFER' AND status <> 'RJCT' AND currency = param('currency', 'CNY'))
                                                                                  OVER pair_day AS paid,
         earliest(first_time_payee, event_time, event_id) FILTER (WHERE what = 'PAYMENT' AND status <> 'RJCT')
                                                                                  OVER pair_day AS new_then,
         max(event_time) FILTER (WHERE what = 'PAYMENT' AND status <> 'RJCT')     OVER pair_past AS last_paid
  FROM   activity
  WINDOW last_day  AS (PARTITION BY phone ORDER BY event_time
                       RANGE BETWEEN INTERVAL '24 hours' PRECEDING AND CURRENT ROW),
         pair_day  AS (PARTITION BY coalesce(account, phone), coalesce(counterparty, phone) ORDER BY event_time
                       RANGE BETWEEN INTERVAL '24 hours' PRECEDING AND CURRENT ROW),
         pair_past AS (PARTITION BY coalesce(account, phone), coalesce(counterparty, phone) ORDER BY event_time
                       RANGE BETWEEN INTERVAL '90 days' PRECEDING AND INTERVAL '24 hours 1 microsecond' PRECEDING)
) AS seen
WHERE what = 'PAYMENT' AND kind = 'TRANSFER' AND counterparty IS NOT NULL AND status <> 'RJCT'
  AND counterparty <> account AND counterparty_account_type <> 'INTERNAL'
  AND currency = param('currency', 'CNY') AND paid >= param('min_amount', 500000)
  AND coalesce(new_then, last_paid IS NULL)
  AND forwarded_at IS NOT NULL
