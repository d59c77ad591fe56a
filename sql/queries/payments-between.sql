-- zh: 两个账户之间的付款
-- en: Payments between two accounts
-- param from text -: payer's account
-- param to text -: payee's account
SELECT event_id, event_time, kind, status, amount, currency, channel, reporter
FROM   transactions
WHERE  payer_account = :from AND payee_account = :to
ORDER  BY event_time
