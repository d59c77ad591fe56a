-- zh: 各类诈骗的报案与损失
-- en: Complaints and losses by type of fraud
SELECT fraud_type, contact_channel, count(*) AS complaints, sum(CASE WHEN attempt THEN 0 ELSE loss_amount END) AS loss_minor_units, currency
FROM   complaints
GROUP  BY fraud_type, contact_channel, currency
ORDER  BY complaints DESC, fraud_type, contact_channel
