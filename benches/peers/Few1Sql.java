import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/**
 * FEW-1 as Flink SQL, the form its makers recommend: OVER with a range, times in milliseconds, which is all that its row time holds.
 * Words: brokers, topic to read, topic to write, parallelism. The clock includes the start, since SQL says nothing of a first record.
 */
public final class Few1Sql {
    public static void main(String[] words) throws Exception {
        long start = System.nanoTime();
        TableEnvironment env = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
        env.getConfig().set("table.exec.resource.default-parallelism", words[3]);
        env.getConfig().set("pipeline.object-reuse", "true");
        env.getConfig().set("table.local-time-zone", "UTC");
        env.executeSql("""
            CREATE TABLE payments (
              txId STRING, creDtTm TIMESTAMP_LTZ(3), amount DECIMAL(18, 2), currency STRING,
              debtor ROW<accountToken STRING>, creditor ROW<accountToken STRING>, WATERMARK FOR creDtTm AS creDtTm
            ) WITH ('connector' = 'kafka', 'topic' = '%s', 'properties.bootstrap.servers' = '%s', 'properties.group.id' = '%s',
              'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json',
              'json.timestamp-format.standard' = 'ISO-8601')
            """.formatted(words[1], words[0], words[2]));
        env.executeSql("""
            CREATE TABLE found (id STRING) WITH ('connector' = 'kafka', 'topic' = '%s', 'properties.bootstrap.servers' = '%s',
              'format' = 'raw', 'sink.delivery-guarantee' = 'at-least-once')
            """.formatted(words[2], words[0]));
        env.executeSql("""
            INSERT INTO found SELECT txId FROM (
              SELECT txId, amount, count(*) OVER w AS payments, sum(amount) OVER w AS total, count(DISTINCT payee) OVER w AS payees
              FROM (SELECT txId, creDtTm, amount, debtor.accountToken AS payer, creditor.accountToken AS payee
                    FROM payments WHERE currency = 'CNY')
              WINDOW w AS (PARTITION BY payer ORDER BY creDtTm RANGE BETWEEN INTERVAL '10' MINUTE PRECEDING AND CURRENT ROW))
            WHERE payments >= 50 AND payees >= 40 AND total >= 30000 AND amount >= 4990
            """).await();
        Outcome.print((System.nanoTime() - start) / 1e9);
        System.exit(0);
    }
}
