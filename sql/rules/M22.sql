/*---
id: M22
title:    { zh: 新账户收款后随即转往另一账户, en: A new account passes on at once what it was paid }
category: flow
severity: high
action:   block
measure:  STOP_PAYMENT
subject:  payee_account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   shadow
params:
  currency: { default: CNY }
  min_in:   { default: 1000000, unit: minor, min: 100, max: 1000000000 }
  min_out:  { default: 80, unit: percent, min: 10, max: 100 }
---*/
-- Pattern: an account without a movement in the 90 days before its last day sends on most of what it was paid, within an hour. Told
-- without balances, which M03 asks for. The money is on the next account: that one is the subject, and who passed it on a value.
-- Looks alike: a new account of one's own that pays the deposit for a flat (companies, shops and internal accounts are left out at
-- either end).
-- Published: "transferred on at once" (Tazama). The hour and 80 % are ours.
-- To calibrate: in the first 90 days of a feed every account is new.
SELECT event_id, event_time, counterparty AS subject,
       amount AS amount_at_risk, currency, counterparty_institution AS institution, district,
       source_event_id, account AS passed_by, institution AS passed_by_institution, in_hour, out_hour
FROM (
  SELECT event_id, source_event_id, event_time, io, kind, account, counterparty, institution, counterparty_institution,
         counterparty_account_type, district, amount, currency,
         max(event_time)                                                                OVER past      AS moved_before,
         sum(amount) FILTER (WHERE io = 'IN' AND counterparty_account_type <> 'BUSINESS') OVER last_hour AS in_hour,
         sum(amount) FILTER (WHERE io = 'OUT')                                          OVER last_hour AS out_hour
  FROM   legs
  WHERE  currency = param('currency', 'CNY') AND status <> 'RJCT' AND account <> counterparty
    AND  account_type NOT IN ('BUSINESS', 'MERCHANT', 'INTERNAL')
  WINDOW past      AS (PARTITION BY account ORDER BY event_time
                       RANGE BETWEEN INTERVAL '90 days' PRECEDING AND INTERVAL '24 hours 1 microsecond' PRECEDING),
         last_hour AS (PARTITION BY account ORDER BY event_time
                       RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW)
) AS flow
WHERE io = 'OUT' AND kind = 'TRANSFER' AND moved_before IS NULL
  AND counterparty_account_type NOT IN ('BUSINESS', 'MERCHANT', 'INTERNAL')
  AND in_hour >= param('min_in', 1000000)
  AND 100 * out_hour >= param('min_out', 80) * in_hour
