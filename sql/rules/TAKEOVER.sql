/*---
id: TAKEOVER
title:    { zh: 账户被转空后收款人随即取现, en: "Account drained to a payee, who cashes out at once" }
category: flow
severity: critical
action:   block
measure:  STOP_PAYMENT
subject:  payee of the drain, who draws the cash
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   live
params:
  currency:  { default: CNY }
  drained:   { default: 95, unit: percent, min: 50, max: 100 }
  withdrawn: { default: 50, unit: percent, min: 10, max: 100 }
  min_in:    { default: 500000, unit: minor, min: 100, max: 1000000000 }
---*/
-- Pattern: a transfer of nearly the whole balance reaches a payee that then withdraws half of it or more in cash
-- within an hour. A transfer is filed under its payee, a withdrawal under its payer: one key, one window. What can still
-- be stopped is what the payee has left of it: unknown where the bank sends no balance.
-- Looks alike: own savings moved to pay cash for a car.
-- Published: a drain with more than 95 % of the balance (mojaloop), cash withdrawal after it (mojaloop). The hour is ours.
-- To calibrate: min_in by what a car costs.
SELECT event_id, event_time, payer_account AS subject,
       greatest(least(drained_in, payer_balance_before - amount), 0) AS amount_at_risk, currency, payer_institution AS institution, payer_district AS district,
       payer_balance_before - amount AS balance_left, drained_in, withdrawn, drained_at
FROM (
  SELECT event_id, event_time, kind, payer_account, payer_institution, payer_district, amount, currency,
         payer_balance_before,
         sum(amount)     FILTER (WHERE drain)                    OVER last_hour AS drained_in,
         max(event_time) FILTER (WHERE drain)                    OVER last_hour AS drained_at,
         sum(amount)     FILTER (WHERE kind = 'CASH_WITHDRAWAL') OVER last_hour AS withdrawn
  FROM (
    SELECT event_id, event_time, kind, payer_account, payer_institution, payer_district, amount, currency,
           payer_balance_before,
           CASE WHEN kind = 'CASH_WITHDRAWAL' THEN payer_account ELSE payee_account END AS holder,
           kind = 'TRANSFER' AND payer_balance_before > 0
             AND 100 * amount >= param('drained', 95) * payer_balance_before AS drain
    FROM   transactions
    WHERE  currency = param('currency', 'CNY') AND kind IN ('TRANSFER', 'CASH_WITHDRAWAL') AND status <> 'RJCT'
  ) AS filed
  WINDOW last_hour AS (PARTITION BY holder ORDER BY event_time
                       RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW)
) AS flow
WHERE kind = 'CASH_WITHDRAWAL'
  AND drained_in >= param('min_in', 500000)
  AND 100 * withdrawn >= param('withdrawn', 50) * drained_in
