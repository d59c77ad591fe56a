/*---
id: M03
title:    { zh: 资金快进快出账户, en: Money passes straight through an account }
category: flow
severity: high
action:   block
measure:  STOP_PAYMENT
subject:  account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   live
params:
  currency:     { default: CNY }
  min_in:       { default: 1000000, unit: minor, min: 100, max: 1000000000 }
  min_out:      { default: 80, unit: percent, min: 10, max: 100 }
  max_residual: { default: 5, unit: percent, min: 0, max: 100 }
---*/
-- Pattern: what came in leaves within 30 minutes. What can still be stopped is what is left of it.
-- Looks alike: settlement accounts; wages, and the card bill paid from them (what a company pays in does not count).
-- Published: 80 % out in 48 h (press); a flow-through of 0.7 in 48 h (public code). 30 minutes and 5 % are ours.
-- To calibrate: max_residual; the accounts of settlement that the bank does not call INTERNAL.
SELECT event_id, event_time, account AS subject,
       greatest(least(in_30m, residual), 0) AS amount_at_risk, currency, institution, district,
       source_event_id, in_30m, out_30m, residual AS balance_left
FROM (
  SELECT event_id, source_event_id, event_time, io, account, institution, district, currency,
         balance_before - amount                     AS residual,
         sum(amount) FILTER (WHERE io = 'IN' AND counterparty_account_type <> 'BUSINESS')
                                               OVER half_hour AS in_30m,
         sum(amount) FILTER (WHERE io = 'OUT') OVER half_hour AS out_30m
  FROM   legs
  WHERE  currency = param('currency', 'CNY') AND status <> 'RJCT'
    AND  account <> counterparty AND account_type <> 'INTERNAL'
  WINDOW half_hour AS (PARTITION BY account ORDER BY event_time
                       RANGE BETWEEN INTERVAL '30 minutes' PRECEDING AND CURRENT ROW)
) AS flow
WHERE io = 'OUT'
  AND in_30m >= param('min_in', 1000000)
  AND 100 * out_30m  >= param('min_out', 80) * in_30m
  AND 100 * residual <= param('max_residual', 5) * in_30m
