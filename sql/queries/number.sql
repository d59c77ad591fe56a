-- zh: 一个号码的全部活动
-- en: Everything that happened to a phone number
-- param number text -: its token
SELECT event_time, what, peer_number, duration_s, sms_class, anomaly, amount, currency, account, counterparty, source_event_id
FROM   activity
WHERE  phone = :number
ORDER  BY event_time
