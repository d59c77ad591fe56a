-- zh: 与拟拦截账户共用设备的账户
-- en: Accounts that share a device with a drafted one
WITH devices AS (
    SELECT DISTINCT t.device, b.account AS drafted
    FROM   blocking_drafts b JOIN transactions t ON t.payer_account = b.account
    WHERE  t.device IS NOT NULL AND b.state = 'draft'
)
SELECT d.drafted, t.payer_account AS account, d.device, count(*) AS payments, max(t.event_time) AS last_time
FROM   devices d JOIN transactions t ON t.device = d.device AND t.payer_account <> d.drafted
GROUP  BY d.drafted, t.payer_account, d.device
ORDER  BY payments DESC, d.drafted, account
LIMIT  100
