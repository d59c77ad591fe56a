/*---
id: M15
title:    { zh: 批量试卡, en: Many cards of one issuer tried at one merchant }
category: flow
severity: high
action:   detect
subject:  merchant
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   shadow
params:
  min_cards:    { default: 20, unit: cards, min: 2, max: 10000 }
  min_declined: { default: 60, unit: percent, min: 1, max: 100 }
---*/
-- Pattern: card testing: in ten minutes 20 cards of one issuer at one merchant, six of ten refused.
-- Published: fees from the 10th refusal of a card in 24 h (Mastercard) and the 16th in 30 days (Visa); a merchant is flagged at 20 % enumerated. The share here
-- is ours. Looks alike: an outage of the issuer (the same at many merchants), a rush for tickets, donations of one yuan.
-- To calibrate: min_declined by the refusals of an ordinary day.
SELECT event_id, event_time, merchant AS subject, payee_institution AS institution, payee_district AS district,
       card_issuer, cards, tries, declined
FROM (
  SELECT event_id, event_time, merchant, card_issuer, payee_institution, payee_district,
         count(DISTINCT card)                     OVER ten_minutes AS cards,
         count(*)                                 OVER ten_minutes AS tries,
         count(*) FILTER (WHERE status = 'RJCT') OVER ten_minutes AS declined
  FROM   transactions
  WHERE  kind = 'CARD_PURCHASE' AND merchant IS NOT NULL AND card_issuer IS NOT NULL
  WINDOW ten_minutes AS (PARTITION BY merchant, card_issuer ORDER BY event_time
                         RANGE BETWEEN INTERVAL '10 minutes' PRECEDING AND CURRENT ROW)
) AS tried
WHERE cards >= param('min_cards', 20) AND 100 * declined >= param('min_declined', 60) * tries
