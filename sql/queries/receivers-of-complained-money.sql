-- zh: 报案人近日付款最多的收款账户
-- en: Accounts that received most from people who complained
-- param days number 3: how long before the complaint
SELECT t.payee_account, t.payee_institution, count(DISTINCT c.victim_person) AS victims, count(DISTINCT t.event_id) AS payments,
       min(t.event_time) AS first_time, max(t.event_time) AS last_time
FROM   complaints c JOIN transactions t ON t.payer_person = c.victim_person
WHERE  t.event_time <= c.event_time AND t.event_time > c.event_time - INTERVAL ':days days'
GROUP  BY t.payee_account, t.payee_institution
ORDER  BY victims DESC, payments DESC, t.payee_account
LIMIT  50
