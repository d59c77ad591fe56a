-- zh: 通话后不久的首次付款
-- en: First payments to a payee soon after a call
-- param minutes number 30: how long after the call
SELECT p.event_time, p.phone, c.peer_number, p.account, p.counterparty, p.amount, p.currency, p.source_event_id
FROM   activity p JOIN activity c ON c.phone = p.phone
WHERE  p.what = 'PAYMENT' AND p.first_time_payee AND c.what = 'CALL' AND c.event_time <= p.event_time
  AND  c.event_time > p.event_time - INTERVAL ':minutes minutes'
ORDER  BY p.event_time DESC
LIMIT  200
