/*---
id: M16
title:    { zh: 疑似网络赌博收款, en: Round sums from many strangers by night }
category: flow
severity: medium
action:   detect
subject:  payee_account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   shadow
params:
  currency:   { default: CNY }
  round_to:   { default: 10000, unit: minor, min: 1, max: 10000000 }
  min_payers: { default: 30, unit: payers, min: 3, max: 100000 }
  min_round:  { default: 60, unit: percent, min: 1, max: 100 }
  min_night:  { default: 50, unit: percent, min: 1, max: 100 }
---*/
-- Pattern: collection for gambling: in 24 h 30 payers, six of ten payments in whole hundreds, half of them from 20:00 to 04:00 local time.
-- Published: many payments of 100 to 500 by strangers into few accounts, round numbers. The shares are ours.
-- Looks alike: a night market, a restaurant, tips for a live stream, game credits (shops and companies are left out by their account type where the bank says
-- it). To calibrate: min_round by what a night market takes.
SELECT event_id, event_time, payee_account AS subject,
       in_24h AS amount_at_risk, currency, payee_institution AS institution, payee_district AS district,
       payers, payments, round_payments, night_payments
FROM (
  SELECT event_id, event_time, payee_account, payee_institution, payee_district, payee_account_type, currency,
         count(DISTINCT payer_account)     OVER last_day AS payers,
         count(*)                          OVER last_day AS payments,
         count(*) FILTER (WHERE is_round)  OVER last_day AS round_payments,
         count(*) FILTER (WHERE is_night)  OVER last_day AS night_payments,
         sum(amount)                       OVER last_day AS in_24h
  FROM (
    SELECT event_id, event_time, payer_account, payee_account, payee_institution, payee_district, payee_account_type, amount, currency,
           amount % nullif(param('round_to', 10000), 0) = 0 AS is_round,
           date_part('hour', event_time AT TIME ZONE 'Asia/Shanghai') >= 20
             OR date_part('hour', event_time AT TIME ZONE 'Asia/Shanghai') < 4 AS is_night
    FROM   transactions
    WHERE  currency = param('currency', 'CNY') AND status <> 'RJCT' AND kind = 'TRANSFER' AND payer_account <> payee_account
  ) AS paid
  WINDOW last_day AS (PARTITION BY payee_account ORDER BY event_time
                      RANGE BETWEEN INTERVAL '24 hours' PRECEDING AND CURRENT ROW)
) AS counted
WHERE payee_account_type NOT IN ('BUSINESS', 'MERCHANT', 'INTERNAL')
  AND payers >= param('min_payers', 30)
  AND 100 * round_payments >= param('min_round', 60) * payments
  AND 100 * night_payments >= param('min_night', 50) * payments
