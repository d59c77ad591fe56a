-- zh: 迟到事件最多的来源
-- en: Who sends events that come too late
SELECT split_part(event_id, ':', 2) AS institution, feed, count(*) AS events, max(late_by_us) / 1000000 AS longest_s
FROM   late
GROUP  BY 1, feed
ORDER  BY events DESC, institution
