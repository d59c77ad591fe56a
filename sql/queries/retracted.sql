-- zh: 被撤回的检测结果
-- en: What was detected and taken back, and because of what
SELECT detection_id, rule_id, subject, revision, event_time, cause, seq
FROM   detection_revisions
WHERE  state = 'retracted'
ORDER  BY seq DESC
LIMIT  200
