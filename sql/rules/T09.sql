/*---
id: T09
title:    { zh: 同一模板短信在一地集中群发, en: Burst of one message template in one district }
category: region
severity: high
action:   warn
subject:  district
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    telecom-desk
status:   live
params:
  min_numbers: { default: 200, unit: numbers, min: 10, max: 100000 }
---*/
-- Pattern: one template reaches 200 numbers of a district in ten minutes. Looks alike: public notices, parcel codes.
SELECT event_id, event_time, district AS subject, district,
       template, numbers, messages
FROM (
  SELECT event_id, event_time, district, template,
         count(DISTINCT number) OVER ten_minutes AS numbers,
         count(*)               OVER ten_minutes AS messages
  FROM   telecom
  WHERE  record_type = 'MT_SMS' AND template IS NOT NULL AND district IS NOT NULL
  WINDOW ten_minutes AS (PARTITION BY template, district ORDER BY event_time
                         RANGE BETWEEN INTERVAL '10 minutes' PRECEDING AND CURRENT ROW)
) AS counted
WHERE numbers >= param('min_numbers', 200)
