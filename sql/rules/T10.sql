/*---
id: T10
title:    { zh: 同一人反复接到可疑来电, en: One person is called again and again by graded numbers }
category: telecom
severity: medium
action:   detect
subject:  number
fraud_type: OTHER
legal_basis: [regulation-31]
owner:    telecom-desk
status:   shadow
params:
  min_callers: { default: 3, unit: numbers, min: 1, max: 100 }
  min_talk_s:  { default: 3600, unit: seconds, min: 60, max: 86400 }
---*/
-- Pattern: in 24 h three numbers of a grade from medium on reach one person, or an hour of talk with such. The subject is the likely victim: what
-- follows is that somebody dissuades, never a measure against the number.
-- Published: suspect and victim sides (CAMARA). The numbers are ours. Looks alike: collection of debts, a dispute, polls, a number graded by mistake.
-- To calibrate: by the grades of the carrier.
SELECT event_id, event_time, number AS subject, district,
       callers, talk_s
FROM (
  SELECT event_id, event_time, number, district,
         count(DISTINCT peer_number) OVER last_day AS callers,
         sum(duration_s)             OVER last_day AS talk_s
  FROM   telecom
  WHERE  record_type = 'MT_CALL' AND phase <> 'START' AND peer_grade IN ('MEDIUM', 'HIGH', 'VERY_HIGH')
  WINDOW last_day AS (PARTITION BY number ORDER BY event_time
                      RANGE BETWEEN INTERVAL '24 hours' PRECEDING AND CURRENT ROW)
) AS graded
WHERE callers >= param('min_callers', 3) OR talk_s >= param('min_talk_s', 3600)
