-- zh: 拟拦截请求的等待时间
-- en: Drafts of blocking requests by age
SELECT request_id, rule_id, measure, account, institution, amount_text, currency, event_time, expires_at,
       date_part('epoch', (SELECT max(event_time) FROM blocking_drafts) - event_time) / 3600 AS hours_behind_the_newest
FROM   blocking_drafts
WHERE  state = 'draft'
ORDER  BY event_time
