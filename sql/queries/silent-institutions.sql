-- zh: 停止报送的机构
-- en: Institutions that fell silent
-- param hours number 2: how long behind the newest event of the feed
SELECT i.institution, i.feed, i.events, i.last_event_time, i.last_seen
FROM   institutions i JOIN (SELECT feed, max(last_event_time) AS newest FROM institutions GROUP BY feed) n ON n.feed = i.feed
WHERE  i.last_event_time < n.newest - INTERVAL ':hours hours'
ORDER  BY i.last_event_time
