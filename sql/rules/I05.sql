/*---
id: I05
title:    { zh: 屏幕共享期间或之后向新收款人转账, en: "A shared screen, then money to a new payee" }
category: personnel
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
-- Pattern: remote access: the payer's screen was shared at a payment of the last 28 days, this one among them; now a transfer to a payee never paid
-- before. What is asked for is a stop on the payee's account. Payments of 24 h to one payee add up.
-- Published: 17 minutes on average until the payment; a quarter of the victims show it four weeks or more before, 85 % are over 60.
-- Looks alike: the bank's own support, a laptop for work, tools for the blind. To calibrate: how many honest customers share their screen.
SELECT event_id, event_time, payee_account AS subject,
       paid_24h AS amount_at_risk, currency, payee_institution AS institution, payer_district AS district,
       payer_account AS victim, payer_institution AS victim_institution, shared_at, screen_share AS is_shared_now
FROM (
  SELECT event_id, event_time, kind, status, payer_account, payer_institution, payer_district, payee_account, payee_institution,
         payee_account_type, amount, currency, screen_share,
         max(event_time) FILTER (WHERE screen_share)                                OVER of_payer  AS shared_at,
         sum(amount)     FILTER (WHERE kind = 'TRANSFER' AND status <> 'RJCT')      OVER pair_day  AS paid_24h,
         earliest(first_time_payee, event_time, event_id) FILTER (WHERE status <> 'RJCT') OVER pair_day AS new_then,
         max(event_time) FILTER (WHERE status <> 'RJCT')                            OVER pair_past AS last_paid
  FROM   transactions
  WHERE  currency = param('currency', 'CNY')
  WINDOW of_payer  AS (PARTITION BY payer_account ORDER BY event_time
                       RANGE BETWEEN INTERVAL '28 days' PRECEDING AND CURRENT ROW),
         pair_day  AS (PARTITION BY payer_account, payee_account ORDER BY event_time
                       RANGE BETWEEN INTERVAL '24 hours' PRECEDING AND CURRENT ROW),
         pair_past AS (PARTITION BY payer_account, payee_account ORDER BY event_time
                       RANGE BETWEEN INTERVAL '90 days' PRECEDING AND INTERVAL '24 hours 1 microsecond' PRECEDING)
) AS paid
WHERE kind = 'TRANSFER' AND status <> 'RJCT' AND payee_account <> payer_account
  AND payee_account_type NOT IN ('INTERNAL', 'BUSINESS', 'MERCHANT')
  AND paid_24h >= param('min_amount', 500000) AND shared_at IS NOT NULL
  AND coalesce(new_then, last_paid IS NULL)
