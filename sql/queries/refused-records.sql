-- zh: 被拒绝的记录：原因
-- en: Why records were refused
SELECT topic, code, reason_zh, reason_en, count(*) AS records, max(ingest_time) AS last_time
FROM   rejected
GROUP  BY topic, code, reason_zh, reason_en
ORDER  BY records DESC, topic, code
