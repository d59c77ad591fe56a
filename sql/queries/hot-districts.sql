-- zh: 本周与上周案件增多的区域
-- en: Districts with more detections this week than last
-- param days number 7: length of a week
WITH placed AS (
    SELECT t.payer_district AS district, d.event_time, (SELECT max(event_time) FROM detections) AS newest
    FROM   detections d JOIN transactions t ON t.event_id = d.event_id OR t.event_id || '#out' = d.event_id OR t.event_id || '#in' = d.event_id
    WHERE  t.payer_district IS NOT NULL
)
SELECT district,
       sum(CASE WHEN event_time > newest - INTERVAL ':days days' THEN 1 ELSE 0 END) AS this_week,
       sum(CASE WHEN event_time <= newest - INTERVAL ':days days' AND event_time > newest - INTERVAL ':days days' - INTERVAL ':days days' THEN 1 ELSE 0 END)
                                                                                      AS last_week
FROM   placed
GROUP  BY district
ORDER  BY this_week DESC, district
