-- zh: 一个账户的全部活动
-- en: Everything that an account paid and received
-- param account text -: its token
SELECT event_time, io, counterparty, amount, currency, kind, status, channel, device, source_event_id
FROM   legs
WHERE  account = :account
ORDER  BY event_time
