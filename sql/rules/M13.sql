/*---
id: M13
title:    { zh: 新开账户突然大量收款, en: "A new account is suddenly paid much, by many" }
category: personnel
severity: medium
action:   detect
subject:  payee_account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   shadow
params:
  currency:   { default: CNY }
  max_age:    { default: 30, unit: days, min: 1, max: 365 }
  min_payers: { default: 3, unit: payers, min: 1, max: 1000 }
  min_in:     { default: 5000000, unit: minor, min: 100, max: 1000000000 }
---*/
-- Pattern: an account opened at most 30 days ago is paid CNY 50,000 or more in 24 h by three persons or more. The age is the bank's word.
-- Published: named as a red flag, no numbers: all of them are ours. Looks alike: first wages (what companies pay does not count), a new shop (left out by
-- its account type where the bank says it), the start of term, wedding gifts.
-- To calibrate: min_in against the day's inflow of honest accounts of the same age.
SELECT event_id, event_time, payee_account AS subject,
       in_24h AS amount_at_risk, currency, payee_institution AS institution, payee_district AS district,
       payee_account_age_days AS age_days, payers_24h, in_24h
FROM (
  SELECT event_id, event_time, payee_account, payee_institution, payee_district, payee_account_age_days, payee_account_type,
         payer_account_type, currency,
         count(DISTINCT coalesce(payer_person, payer_account)) OVER last_day AS payers_24h,
         sum(amount)                                           OVER last_day AS in_24h
  FROM   transactions
  WHERE  currency = param('currency', 'CNY') AND status <> 'RJCT' AND kind = 'TRANSFER' AND payer_account <> payee_account
    AND  payer_account_type NOT IN ('BUSINESS', 'INTERNAL')
  WINDOW last_day AS (PARTITION BY payee_account ORDER BY event_time
                      RANGE BETWEEN INTERVAL '24 hours' PRECEDING AND CURRENT ROW)
) AS paid
WHERE payee_account_age_days <= param('max_age', 30)
  AND payee_account_type NOT IN ('BUSINESS', 'MERCHANT', 'INTERNAL')
  AND payers_24h >= param('min_payers', 3) AND in_24h >= param('min_in', 5000000)
