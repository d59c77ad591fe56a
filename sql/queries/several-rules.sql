-- zh: 被多条规则同时命中的主体
-- en: Subjects that several rules speak of
-- param rules number 2: at least so many rules
SELECT subject, count(DISTINCT rule_id) AS rules, count(*) AS detections, string_agg(DISTINCT rule_id, ' ' ORDER BY rule_id) AS which, max(event_time) AS last_time
FROM   detections
GROUP  BY subject
HAVING count(DISTINCT rule_id) >= :rules
ORDER  BY rules DESC, detections DESC, subject
LIMIT  100
