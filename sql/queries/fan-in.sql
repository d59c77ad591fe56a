-- zh: 短时间内收到多人付款的账户
-- en: Accounts paid by many in a short time
-- param hours number 24: how long
-- param payers number 10: at least so many payers
SELECT payee_account, payee_institution, count(DISTINCT payer_account) AS payers, count(*) AS payments, sum(amount) AS minor_units, currency
FROM   transactions
WHERE  event_time > (SELECT max(event_time) FROM transactions) - INTERVAL ':hours hours' AND status <> 'RJCT'
GROUP  BY payee_account, payee_institution, currency
HAVING count(DISTINCT payer_account) >= :payers
ORDER  BY payers DESC, payee_account
LIMIT  100
