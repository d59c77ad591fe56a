-- zh: 短时间内向多人付款的账户
-- en: Accounts that pay many in a short time
-- param hours number 24: how long
-- param payees number 10: at least so many payees
SELECT payer_account, payer_institution, count(DISTINCT payee_account) AS payees, count(*) AS payments, sum(amount) AS minor_units, currency
FROM   transactions
WHERE  event_time > (SELECT max(event_time) FROM transactions) - INTERVAL ':hours hours' AND status <> 'RJCT'
GROUP  BY payer_account, payer_institution, currency
HAVING count(DISTINCT payee_account) >= :payees
ORDER  BY payees DESC, payer_account
LIMIT  100
