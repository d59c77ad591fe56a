/*---
id: T04
title:    { zh: 新卡短期大量外呼, en: A new SIM calls many numbers }
category: telecom
severity: medium
action:   detect
subject:  number
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    telecom-desk
status:   shadow
params:
  max_age:     { default: 7, unit: days, min: 1, max: 365 }
  min_callees: { default: 30, unit: numbers, min: 3, max: 10000 }
---*/
-- Pattern: a burner: a SIM younger than seven days calls 30 numbers in 24 h.
-- Published: a prepaid SIM of less than seven days with more than 10 calls a day. The number is ours.
-- Looks alike: tourists, new students, a courier's first week (known contacts are left out where the carrier grades).
-- To calibrate: min_callees by what couriers do.
SELECT event_id, event_time, number AS subject, district,
       sim_age_days AS age_days, callees, calls
FROM (
  SELECT event_id, event_time, number, district, sim_age_days,
         count(DISTINCT callee) OVER last_day AS callees,
         count(*)               OVER last_day AS calls
  FROM   telecom
  WHERE  record_type = 'MO_CALL' AND phase <> 'START' AND callee IS NOT NULL AND coalesce(peer_grade, 'NONE') <> 'KNOWN'
  WINDOW last_day AS (PARTITION BY number ORDER BY event_time
                      RANGE BETWEEN INTERVAL '24 hours' PRECEDING AND CURRENT ROW)
) AS called
WHERE sim_age_days < param('max_age', 7) AND callees >= param('min_callees', 30)
