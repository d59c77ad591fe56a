-- zh: 未结警报
-- en: Alerts that are open, most severe first
SELECT alert_id, severity, rule_id, title_zh, title_en, subject, event_time, last_time, detections
FROM   alerts
WHERE  state <> 'closed'
ORDER  BY CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END, last_time DESC
