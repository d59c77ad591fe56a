/*---
id: M20
title:    { zh: 账户一日内首次向多人转账, en: One account pays many first-time payees in a day }
category: flow
severity: medium
action:   detect
subject:  payer_account
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    economic-crime-desk
status:   shadow
params:
  currency:   { default: CNY }
  min_payees: { default: 5, unit: payees, min: 3, max: 200 }
  min_rise:   { default: 15, unit: times, min: 1, max: 1000 }
---*/
-- Pattern: dispersal, told by contacts alone, for feeds without balances (M02 asks for them). An own past of 30 days sets the measure: a day
-- must bring at least so many times a usual day's new payees. Looks alike: festival gifts, a supplier's run; payroll and refunds
-- (companies, shops and internal accounts are left out). A site calibrates: where payees are always new (mobile money), it speaks a lot.
-- Published: none. The numbers were found on AMLSim.
-- To calibrate: in the shadow, against payroll and refunds.
SELECT event_id, event_time, payer_account AS subject,
       new_total AS amount_at_risk, currency, payer_institution AS institution, payer_district AS district,
       new_payees, past_payees
FROM (
  SELECT event_id, event_time, payer_account, payer_institution, payer_district, currency, first_contact,
         count(DISTINCT payee_account) FILTER (WHERE first_contact) OVER last_day AS new_payees,
         sum(amount)                   FILTER (WHERE first_contact) OVER last_day AS new_total,
         count(DISTINCT payee_account) FILTER (WHERE first_contact) OVER past     AS past_payees
  FROM (
    SELECT event_id, event_time, payer_account, payee_account, payer_institution, payer_district, amount, currency,
           max(event_time) OVER pair_before IS NULL AS first_contact
    FROM   transactions
    WHERE  currency = param('currency', 'CNY') AND kind = 'TRANSFER' AND status <> 'RJCT'
      AND  payer_account_type NOT IN ('BUSINESS', 'MERCHANT', 'INTERNAL') AND payee_account_type <> 'INTERNAL'
    WINDOW pair_before AS (PARTITION BY payer_account, payee_account ORDER BY event_time
                           RANGE BETWEEN INTERVAL '90 days' PRECEDING AND INTERVAL '1 microsecond' PRECEDING)
  ) AS paid
  WINDOW last_day AS (PARTITION BY payer_account ORDER BY event_time
                      RANGE BETWEEN INTERVAL '24 hours' PRECEDING AND CURRENT ROW),
         past     AS (PARTITION BY payer_account ORDER BY event_time
                      RANGE BETWEEN INTERVAL '31 days' PRECEDING AND INTERVAL '24 hours 1 microsecond' PRECEDING)
) AS counted
WHERE first_contact
  AND new_payees >= param('min_payees', 5)
  AND 30 * new_payees >= param('min_rise', 15) * past_payees
