-- zh: 各规则的检测结果
-- en: Detections of each rule, on trial and live
SELECT d.rule_id, r.title_zh, r.title_en, r.status, count(*) AS detections, count(DISTINCT d.subject) AS subjects,
       min(d.event_time) AS first_time, max(d.event_time) AS last_time
FROM   detections d LEFT JOIN rules r ON r.id = d.rule_id
GROUP  BY d.rule_id, r.title_zh, r.title_en, r.status
ORDER  BY detections DESC, d.rule_id
