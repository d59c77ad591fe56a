/*---
id: M09
title:    { zh: 资金逐层快速转移（第四层以上）, en: Money passed on again and again within hours }
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
  min_hops: { default: 4, unit: hops, min: 2, max: 5 }
---*/
-- Pattern: layering: each account sends on 80 % or more, within two hours, of what the account before it sent. A transfer out of an account that
-- passes on is told again on the payee's side by the event that both legs have in common: four such steps, one window above the other, are
-- five hops. The subject is the last account: the money is there. Needs no balance; looks at transfers alone, as seven levels are dear.
-- Published: Brazil's MED 2.0 follows up to five hops; two hours a hop is ours. Looks alike: a marketplace that pays its traders, who pay
-- their suppliers (companies, shops and internal accounts pass nothing on here), flatmates who settle their bills.
-- To calibrate: min_hops; what a hop may keep back.
SELECT event_id, event_time, counterparty AS subject,
       amount AS amount_at_risk, currency, counterparty_institution AS institution, district,
       source_event_id, account AS passed_by,
       CASE WHEN fifth THEN 5 WHEN fourth THEN 4 WHEN third THEN 3 ELSE 2 END AS hops
FROM (
  SELECT event_id, source_event_id, event_time, account, counterparty, counterparty_institution, counterparty_account_type, district, amount,
         currency, is_out, second, third, fourth,
         is_out AND in_4 >= param('min_in', 1000000) AND 100 * out_4 >= param('min_out', 80) * in_4 AS fifth
  FROM (
    SELECT event_id, source_event_id, event_time, account, counterparty, counterparty_institution, counterparty_account_type, district,
           amount, currency, is_out, second, third, fourth,
           sum(amount) FILTER (WHERE NOT is_out AND came_4 > 0) OVER hop AS in_4,
           sum(amount) FILTER (WHERE is_out)                    OVER hop AS out_4
    FROM (
      SELECT event_id, source_event_id, event_time, account, counterparty, counterparty_institution, counterparty_account_type, district,
             amount, currency, is_out, second, third, fourth,
             count(*) FILTER (WHERE fourth) OVER same AS came_4
      FROM (
        SELECT event_id, source_event_id, event_time, account, counterparty, counterparty_institution, counterparty_account_type, district,
               amount, currency, is_out, second, third,
               is_out AND in_3 >= param('min_in', 1000000) AND 100 * out_3 >= param('min_out', 80) * in_3 AS fourth
        FROM (
          SELECT event_id, source_event_id, event_time, account, counterparty, counterparty_institution, counterparty_account_type, district,
                 amount, currency, is_out, second, third,
                 sum(amount) FILTER (WHERE NOT is_out AND came_3 > 0) OVER hop AS in_3,
                 sum(amount) FILTER (WHERE is_out)                    OVER hop AS out_3
          FROM (
            SELECT event_id, source_event_id, event_time, account, counterparty, counterparty_institution, counterparty_account_type, district,
                   amount, currency, is_out, second, third,
                   count(*) FILTER (WHERE third) OVER same AS came_3
            FROM (
              SELECT event_id, source_event_id, event_time, account, counterparty, counterparty_institution, counterparty_account_type,
                     district, amount, currency, is_out, second,
                     is_out AND in_2 >= param('min_in', 1000000) AND 100 * out_2 >= param('min_out', 80) * in_2 AS third
              FROM (
                SELECT event_id, source_event_id, event_time, account, counterparty, counterparty_institution, counterparty_account_type,
                       district, amount, currency, is_out, second,
                       sum(amount) FILTER (WHERE NOT is_out AND came_2 > 0) OVER hop AS in_2,
                       sum(amount) FILTER (WHERE is_out)                    OVER hop AS out_2
                FROM (
                  SELECT event_id, source_event_id, event_time, account, counterparty, counterparty_institution, counterparty_account_type,
                         district, amount, currency, is_out, second,
                         count(*) FILTER (WHERE second) OVER same AS came_2
                  FROM (
                    SELECT event_id, source_event_id, event_time, account, counterparty, counterparty_institution,
                           counterparty_account_type, district, amount, currency, is_out,
                           is_out AND in_1 >= param('min_in', 1000000) AND 100 * out_1 >= param('min_out', 80) * in_1 AS second
                    FROM (
                      SELECT event_id, source_event_id, event_time, account, counterparty, counterparty_institution,
                             counterparty_account_type, district, amount, currency,
                             io = 'OUT' AND account_type NOT IN ('BUSINESS', 'MERCHANT', 'INTERNAL') AS is_out,
                             sum(amount) FILTER (WHERE io = 'IN')  OVER hop AS in_1,
                             sum(amount) FILTER (WHERE io = 'OUT') OVER hop AS out_1
                      FROM   legs
                      WHERE  currency = param('currency', 'CNY') AND kind = 'TRANSFER' AND status <> 'RJCT' AND account <> counterparty
                      WINDOW hop AS (PARTITION BY account ORDER BY event_time
                                     RANGE BETWEEN INTERVAL '2 hours' PRECEDING AND CURRENT ROW)
                    ) AS first_sums
                  ) AS first_hop
                  WINDOW same AS (PARTITION BY source_event_id ORDER BY event_time
                                  RANGE BETWEEN INTERVAL '1 microsecond' PRECEDING AND CURRENT ROW)
                ) AS second_legs
                WINDOW hop AS (PARTITION BY account ORDER BY event_time
                               RANGE BETWEEN INTERVAL '2 hours' PRECEDING AND CURRENT ROW)
              ) AS second_sums
            ) AS second_hop
            WINDOW same AS (PARTITION BY source_event_id ORDER BY event_time
                            RANGE BETWEEN INTERVAL '1 microsecond' PRECEDING AND CURRENT ROW)
          ) AS third_legs
          WINDOW hop AS (PARTITION BY account ORDER BY event_time
                         RANGE BETWEEN INTERVAL '2 hours' PRECEDING AND CURRENT ROW)
        ) AS third_sums
      ) AS third_hop
      WINDOW same AS (PARTITION BY source_event_id ORDER BY event_time
                      RANGE BETWEEN INTERVAL '1 microsecond' PRECEDING AND CURRENT ROW)
    ) AS fourth_legs
    WINDOW hop AS (PARTITION BY account ORDER BY event_time
                   RANGE BETWEEN INTERVAL '2 hours' PRECEDING AND CURRENT ROW)
  ) AS fourth_sums
) AS chained
WHERE is_out AND counterparty_account_type NOT IN ('BUSINESS', 'MERCHANT', 'INTERNAL')
  AND CASE WHEN fifth THEN 5 WHEN fourth THEN 4 WHEN third THEN 3 WHEN second THEN 2 ELSE 1 END >= param('min_hops', 4)
