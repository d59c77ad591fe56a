-- zh: 参数调整后会怎样：略低于门槛的收款
-- en: What a lower threshold would have said: accounts just under it
-- param payers number 8: the other threshold
-- param now number 10: the one in force
-- param hours number 24: how long
SELECT payee_account, count(DISTINCT payer_account) AS payers, count(*) AS payments, max(event_time) AS last_time
FROM   transactions
WHERE  event_time > (SELECT max(event_time) FROM transactions) - INTERVAL ':hours hours' AND status <> 'RJCT'
GROUP  BY payee_account
HAVING count(DISTINCT payer_account) >= :payers AND count(DISTINCT payer_account) < :now
ORDER  BY payers DESC, payee_account
LIMIT  100
