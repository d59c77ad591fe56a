/*---
id: T09
title:    { zh: 同一模板短信在一地集中群发, en: Burst of one message template in one district }
category: region
severity: high
action:   warn
subject:  district and template
fraud_type: OTHER
legal_basis: [regulation-30]
owner:    telecom-desk
status:   live
params:
  min_numbers: { default: 200, unit: numbers, min: 10, max: 100000 }
  min_senders: { default: 3, unit: senders, min: 2, max: 1000 }
---*/
-- Pattern: one template reaches 200 numbers of a district in ten minutes, and does not come through the carrier's contract with one
-- sender of application messages (A2P, OTP): from a plain number or an unknown route, or under several senders' names. Each template is
-- a wave of its own: a lawful one hides none. Looks alike: public notices and parcel codes, which have one sender each.
-- Published: more than 50 SMS a day of one number (TRAI). 200 numbers of a district in ten minutes are ours.
-- To calibrate: which senders are registered: what comes through one of them is left out.
SELECT event_id, event_time, wave AS subject, district,
       template, numbers, messages, plain_numbers, senders
FROM (
  SELECT event_id, event_time, district, template, wave,
         count(DISTINCT number)                        OVER ten_minutes AS numbers,
         count(DISTINCT number) FILTER (WHERE is_plain) OVER ten_minutes AS plain_numbers,
         count(DISTINCT caller)                        OVER ten_minutes AS senders,
         count(*)                                      OVER ten_minutes AS messages
  FROM (
    SELECT event_id, event_time, district, template, number, caller, district || ':' || template AS wave,
           coalesce(sms_class, 'UNKNOWN') NOT IN ('A2P', 'OTP') AS is_plain
    FROM   telecom
    WHERE  record_type = 'MT_SMS' AND template IS NOT NULL AND district IS NOT NULL
  ) AS sent
  WINDOW ten_minutes AS (PARTITION BY wave ORDER BY event_time
                         RANGE BETWEEN INTERVAL '10 minutes' PRECEDING AND CURRENT ROW)
) AS counted
WHERE plain_numbers >= param('min_numbers', 200)
   OR (numbers >= param('min_numbers', 200) AND senders >= param('min_senders', 3))
