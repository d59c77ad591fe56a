/*---
id: M17
title:    { zh: 短时多机取现, en: A cash-out run from machine to machine }
category: flow
severity: high
action:   block
measure:  STOP_PAYMENT
subject:  account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   shadow
params:
  currency:      { default: CNY }
  min_cash:      { default: 1000000, unit: minor, min: 100, max: 1000000000 }
  min_terminals: { default: 3, unit: machines, min: 2, max: 100 }
  min_share:     { default: 80, unit: percent, min: 10, max: 100 }
---*/
-- Pattern: in two hours cash from three machines; or within an hour 80 % of what came in. CNY 10,000 in both. TAKEOVER asks for a drained
-- payer besides; here whoever paid counts.
-- Published: repeated maximum withdrawals at one machine (a public rule set); cash withdrawal as a part of a typology (mojaloop). The numbers are ours.
-- Looks alike: a trader's takings, wages drawn on pay day (what companies pay in does not count), cash for a festival.
-- To calibrate: min_cash by the daily limit of the machines.
SELECT event_id, event_time, account AS subject,
       greatest(least(cash_2h, balance_before - amount), 0) AS amount_at_risk, currency, institution, district,
       balance_before - amount AS balance_left, source_event_id, terminals_2h, cash_2h, cash_1h, in_1h
FROM (
  SELECT event_id, source_event_id, event_time, is_cash, account, institution, district, amount, currency, balance_before,
         count(DISTINCT terminal) FILTER (WHERE is_cash)                                      OVER two_hours AS terminals_2h,
         sum(amount)              FILTER (WHERE is_cash)                                      OVER two_hours AS cash_2h,
         sum(amount)              FILTER (WHERE is_cash)                                      OVER last_hour AS cash_1h,
         sum(amount) FILTER (WHERE io = 'IN' AND counterparty_account_type <> 'BUSINESS') OVER last_hour AS in_1h
  FROM (
    SELECT event_id, source_event_id, event_time, io, io = 'OUT' AND kind = 'CASH_WITHDRAWAL' AS is_cash, account, institution, district,
           counterparty_account_type, amount, currency, balance_before, terminal
    FROM   legs
    WHERE  currency = param('currency', 'CNY') AND status <> 'RJCT' AND account_type NOT IN ('BUSINESS', 'MERCHANT', 'INTERNAL')
  ) AS moved
  WINDOW two_hours AS (PARTITION BY account ORDER BY event_time
                       RANGE BETWEEN INTERVAL '2 hours' PRECEDING AND CURRENT ROW),
         last_hour AS (PARTITION BY account ORDER BY event_time
                       RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW)
) AS drawn
WHERE is_cash AND cash_2h >= param('min_cash', 1000000)
  AND (terminals_2h >= param('min_terminals', 3)
       OR (cash_1h >= param('min_cash', 1000000) AND 100 * cash_1h >= param('min_share', 80) * in_1h))
