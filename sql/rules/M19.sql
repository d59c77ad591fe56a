/*---
id: M19
title:    { zh: 账户余额几乎全部转入从未收款的账户, en: Nearly the whole balance goes to an account that was never paid before }
category: flow
severity: high
action:   block
measure:  STOP_PAYMENT
subject:  payee_account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   live
params:
  currency:    { default: CNY }
  min_amount:  { default: 500000, unit: minor, min: 100, max: 1000000000 }
  share:       { default: 90, unit: percent, min: 50, max: 100 }
  max_there:   { default: 10, unit: percent, min: 0, max: 1000 }
---*/
-- Pattern: one transfer of nearly the whole balance to an account that has received nothing, from anybody, in 90 days. It speaks
-- at the transfer: the money is there, at the payee's bank. Looks alike: own money moved to a new account (left out where both
-- persons are known), a deposit for a house (companies, shops and internal accounts are left out), an heir.
-- Without the payer's balance it is silent; where the payee's is sent, the account must be nearly empty, too: in the first months of a
-- feed that tells a landlord's account from a mule's.
-- Published: one transfer of more than 90 % of the balance (mojaloop). That the payee was never paid is ours.
-- To calibrate: min_amount and share; in the first 90 days of a feed every payee is new, and the payee's balance has to tell.
SELECT event_id, event_time, payee_account AS subject,
       amount AS amount_at_risk, currency, payee_institution AS institution, payer_district AS district,
       payer_account AS victim, payer_institution AS victim_institution, payer_balance_before
FROM (
  SELECT event_id, event_time, kind, payer_account, payer_institution, payer_district, payee_account, payee_institution,
         payer_person, payee_person, payee_account_type, payee_balance_before, amount, currency,
         payer_balance_before,
         count(*) OVER received AS received_90d
  FROM   transactions
  WHERE  currency = param('currency', 'CNY') AND status <> 'RJCT'
  WINDOW received AS (PARTITION BY payee_account ORDER BY event_time
                      RANGE BETWEEN INTERVAL '90 days' PRECEDING AND INTERVAL '1 microsecond' PRECEDING)
) AS paid
WHERE kind = 'TRANSFER' AND received_90d = 0
  AND payee_account <> payer_account AND payee_account_type NOT IN ('INTERNAL', 'BUSINESS', 'MERCHANT')
  AND (payer_person IS NULL OR payee_person IS NULL OR payer_person <> payee_person)
  AND amount >= param('min_amount', 500000)
  AND (payee_balance_before IS NULL OR 100 * payee_balance_before <= param('max_there', 10) * amount)
  AND payer_balance_before > 0 AND 100 * amount >= param('share', 90) * payer_balance_before
