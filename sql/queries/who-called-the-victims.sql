-- zh: 给报案人打过电话的号码
-- en: Numbers that called people who complained
-- param days number 3: how long before the complaint
WITH victims AS (
    SELECT DISTINCT c.complaint_id, c.event_time AS complained, t.payer_phone AS phone
    FROM   complaints c JOIN transactions t ON t.payer_person = c.victim_person
    WHERE  t.payer_phone IS NOT NULL
)
SELECT l.peer_number AS number, count(DISTINCT v.complaint_id) AS complaints, count(DISTINCT l.event_id) AS calls, max(l.event_time) AS last_call
FROM   victims v JOIN telecom l ON l.number = v.phone
WHERE  l.peer_number IS NOT NULL AND l.event_time <= v.complained AND l.event_time > v.complained - INTERVAL ':days days'
GROUP  BY l.peer_number
ORDER  BY complaints DESC, calls DESC, number
LIMIT  50
