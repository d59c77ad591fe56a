/*---
id: T03
title:    { zh: 响一声电话, en: One-ring calls }
category: telecom
severity: medium
action:   detect
subject:  number
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    telecom-desk
status:   shadow
params:
  min_calls: { default: 100, unit: calls, min: 5, max: 100000 }
  below_s:   { default: 5, unit: seconds, min: 1, max: 60 }
---*/
-- Pattern: a hundred calls in an hour that end within five seconds, answered or not, and no call to that number in 24 h.
-- Published: more than 50 a day or three times the mean, none incoming; more than 80 a month of under half a minute. The hour is ours.
-- Looks alike: sign-in by a missed call, tests of an alarm. To calibrate: leave out what the carrier knows as such.
SELECT event_id, event_time, number AS subject, district,
       short_calls, callees
FROM (
  SELECT event_id, event_time, number, district, is_short,
         count(*)               FILTER (WHERE is_short)                OVER last_hour AS short_calls,
         count(DISTINCT callee) FILTER (WHERE is_short)                OVER last_hour AS callees,
         count(*)               FILTER (WHERE record_type = 'MT_CALL') OVER last_day  AS calls_in
  FROM (
    SELECT event_id, event_time, number, district, record_type, callee,
           record_type = 'MO_CALL' AND coalesce(duration_s, 0) < param('below_s', 5) AS is_short
    FROM   telecom
    WHERE  record_type IN ('MO_CALL', 'MT_CALL') AND phase <> 'START'
  ) AS called
  WINDOW last_hour AS (PARTITION BY number ORDER BY event_time
                       RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW),
         last_day  AS (PARTITION BY number ORDER BY event_time
                       RANGE BETWEEN INTERVAL '24 hours' PRECEDING AND CURRENT ROW)
) AS counted
WHERE is_short AND short_calls >= param('min_calls', 100) AND 2 * callees >= short_calls AND calls_in = 0
