/*---
id: M07
title:    { zh: 同源资金经多个中间账户汇集到一户, en: From one source through several accounts into one }
category: flow
severity: high
action:   detect
subject:  payee_account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   shadow
params:
  currency:    { default: CNY }
  min_middles: { default: 4, unit: accounts, min: 3, max: 200 }
---*/
-- Pattern: in 20 days an account is paid for the first time by several that were themselves paid for the first time, not long before, by
-- one and the same account, or by few. Two levels: what reached the middle account last, and at the end how many middles share
-- few sources. Looks alike: staff of one employer who pay one canteen or landlord (what a company pays its staff is left out).
-- Published: 6 h (public code); 5 to 10 accounts in 10 to 30 days (AMLSim). The numbers were found on AMLSim.
-- To calibrate: in the shadow: on ordinary payments everybody seems to scatter.
SELECT event_id, event_time, payee_account AS subject,
       through AS amount_at_risk, currency, counterparty_institution AS institution, district,
       source_event_id, middles, sources, source
FROM (
  SELECT event_id, source_event_id, event_time, payee_account, counterparty_institution, district, currency, passes, source,
         count(DISTINCT account) FILTER (WHERE passes) OVER weeks AS middles,
         count(DISTINCT source)  FILTER (WHERE passes) OVER weeks AS sources,
         sum(amount)             FILTER (WHERE passes) OVER weeks AS through
  FROM (
    SELECT event_id, source_event_id, event_time, account, counterparty AS payee_account, counterparty_institution, district,
           amount, currency, source, first_contact AND source IS NOT NULL AND source <> counterparty AS passes
    FROM (
      SELECT event_id, source_event_id, event_time, io, account, counterparty, counterparty_institution, district, amount,
             currency, first_contact,
             latest(counterparty, event_time, event_id) FILTER (WHERE first_contact AND io = 'IN') OVER weeks AS source
      FROM (
        SELECT event_id, source_event_id, event_time, io, account, counterparty, counterparty_institution, district, amount,
               currency, max(event_time) OVER pair_before IS NULL AS first_contact
        FROM   legs
        WHERE  currency = param('currency', 'CNY') AND kind = 'TRANSFER' AND status <> 'RJCT' AND account <> counterparty
          AND  account_type NOT IN ('BUSINESS', 'MERCHANT', 'INTERNAL')
          AND  counterparty_account_type NOT IN ('BUSINESS', 'MERCHANT', 'INTERNAL')
        WINDOW pair_before AS (PARTITION BY account, counterparty, io ORDER BY event_time
                               RANGE BETWEEN INTERVAL '90 days' PRECEDING AND INTERVAL '1 microsecond' PRECEDING)
      ) AS paid
      WINDOW weeks AS (PARTITION BY account ORDER BY event_time
                       RANGE BETWEEN INTERVAL '20 days' PRECEDING AND CURRENT ROW)
    ) AS passed
    WHERE io = 'OUT'
  ) AS passing
  WINDOW weeks AS (PARTITION BY payee_account ORDER BY event_time
                   RANGE BETWEEN INTERVAL '20 days' PRECEDING AND CURRENT ROW)
) AS counted
WHERE passes AND middles >= param('min_middles', 4) AND 2 * sources <= middles
