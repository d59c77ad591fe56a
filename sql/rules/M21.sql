/*---
id: M21
title:    { zh: 银行卡消费连续远超自身历史, en: Card purchases far above the card holder's own past }
category: personnel
severity: medium
action:   detect
subject:  payer_account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   shadow
params:
  currency:   { default: CNY }
  min_amount: { default: 25000, unit: minor, min: 100, max: 100000000 }
  factor:     { default: 3, unit: times, min: 1, max: 100 }
  min_past:   { default: 5, unit: payments, min: 0, max: 1000 }
  min_count:  { default: 2, unit: payments, min: 1, max: 100 }
---*/
-- Pattern: a card in other hands: two large purchases within 24 h, each at least three times the mean of the month before. With less
-- than five payments of past the amount alone counts. Refused ones count too: who tries cards is refused a lot.
-- Looks alike: holiday travel, furniture, a shopping festival.
-- Published: a mean and three standard deviations of one's own past (mojaloop). The numbers were found on Sparkov.
-- To calibrate: min_amount by what cards pay for.
SELECT event_id, event_time, payer_account AS subject,
       large_total AS amount_at_risk, currency, payer_institution AS institution, payer_district AS district,
       large_count, count_30d, sum_30d
FROM (
  SELECT event_id, event_time, payer_account, payer_institution, payer_district, currency, is_large, count_30d, sum_30d,
         count(*)    FILTER (WHERE is_large)                      OVER last_day AS large_count,
         sum(amount) FILTER (WHERE is_large AND status <> 'RJCT') OVER last_day AS large_total
  FROM (
    SELECT event_id, event_time, payer_account, payer_institution, payer_district, status, amount, currency, count_30d, sum_30d,
           amount >= param('min_amount', 25000)
             AND (count_30d < param('min_past', 5) OR amount * count_30d >= param('factor', 3) * sum_30d) AS is_large
    FROM (
      SELECT event_id, event_time, payer_account, payer_institution, payer_district, status, amount, currency,
             count(*)    FILTER (WHERE status <> 'RJCT') OVER past AS count_30d,
             sum(amount) FILTER (WHERE status <> 'RJCT') OVER past AS sum_30d
      FROM   transactions
      WHERE  currency = param('currency', 'CNY') AND kind = 'CARD_PURCHASE'
      WINDOW past AS (PARTITION BY payer_account ORDER BY event_time
                      RANGE BETWEEN INTERVAL '31 days' PRECEDING AND INTERVAL '24 hours 1 microsecond' PRECEDING)
    ) AS bought
  ) AS compared
  WINDOW last_day AS (PARTITION BY payer_account ORDER BY event_time
                      RANGE BETWEEN INTERVAL '24 hours' PRECEDING AND CURRENT ROW)
) AS counted
WHERE is_large AND large_count >= param('min_count', 2)
