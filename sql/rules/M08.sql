/*---
id: M08
title:    { zh: 账户先收多人款项再分散转出, en: "Gathered from many, then scattered to many" }
category: flow
severity: medium
action:   detect
subject:  account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   shadow
params:
  currency:      { default: CNY }
  min_senders:   { default: 4, unit: senders, min: 3, max: 200 }
  min_receivers: { default: 4, unit: receivers, min: 3, max: 200 }
  many:          { default: 6, unit: accounts, min: 3, max: 200 }
  warm_up:       { default: true, unit: 30 days }
---*/
-- Pattern: in 20 days an account is paid by several who never paid it before, and after the last of them pays several whom it never
-- paid; or it has many of both in whatever order. In the first 30 days of a reporter's feed everybody is new: silent.
-- Looks alike: a group-buy leader, a ticket seller, receivables then
-- payroll (companies, shops and internal accounts are left out).
-- Published: 7 to 11 accounts in 10 to 30 days (AMLSim). The numbers were found on AMLSim.
-- To calibrate: leave out who sells tickets or buys for a group.
SELECT event_id, event_time, account AS subject,
       out_total AS amount_at_risk, currency, institution, district,
       source_event_id, senders, receivers, in_total, out_total
FROM (
  SELECT event_id, source_event_id, event_time, io, account, institution, district, currency, first_contact, fed_since,
         count(DISTINCT counterparty) FILTER (WHERE first_contact AND io = 'IN')  OVER weeks AS senders,
         count(DISTINCT counterparty) FILTER (WHERE first_contact AND io = 'OUT') OVER weeks AS receivers,
         sum(amount)     FILTER (WHERE first_contact AND io = 'IN')               OVER weeks AS in_total,
         sum(amount)     FILTER (WHERE first_contact AND io = 'OUT')              OVER weeks AS out_total,
         max(event_time) FILTER (WHERE first_contact AND io = 'IN')               OVER weeks AS in_until,
         min(event_time) FILTER (WHERE first_contact AND io = 'OUT')              OVER weeks AS out_since
  FROM (
    SELECT event_id, source_event_id, event_time, io, account, counterparty, institution, district, amount, currency,
           max(event_time) OVER pair_before IS NULL AS first_contact,
           min(event_time) OVER feed                AS fed_since
    FROM   legs
    WHERE  currency = param('currency', 'CNY') AND kind = 'TRANSFER' AND status <> 'RJCT' AND account <> counterparty
      AND  account_type NOT IN ('BUSINESS', 'MERCHANT', 'INTERNAL') AND counterparty_account_type <> 'INTERNAL'
    WINDOW pair_before AS (PARTITION BY account, counterparty, io ORDER BY event_time
                           RANGE BETWEEN INTERVAL '90 days' PRECEDING AND INTERVAL '1 microsecond' PRECEDING),
           feed        AS (PARTITION BY reporter ORDER BY event_time RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
  ) AS paid
  WINDOW weeks AS (PARTITION BY account ORDER BY event_time
                   RANGE BETWEEN INTERVAL '20 days' PRECEDING AND CURRENT ROW)
) AS counted
WHERE io = 'OUT' AND first_contact AND (NOT param('warm_up', true) OR fed_since <= event_time - INTERVAL '30 days')
  AND senders >= param('min_senders', 4) AND receivers >= param('min_receivers', 4)
  AND (in_until < out_since OR (senders >= param('many', 6) AND receivers >= param('many', 6)))
