import java.sql.*;
import java.util.Properties;

/** Asks with pgjdbc: `java -cp postgresql.jar Ask.java URL USER PASSWORD`. Prints what it finds, one line each. */
class Ask {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("user", arguments[1]);
        properties.setProperty("password", arguments[2]);
        properties.setProperty("prepareThreshold", "1");
        properties.setProperty("readOnly", "true");
        try (Connection connection = DriverManager.getConnection(arguments[0], properties)) {
            connection.setAutoCommit(false);
            DatabaseMetaData about = connection.getMetaData();
            System.out.println("product " + about.getDatabaseProductVersion());
            int tables = 0;
            try (ResultSet found = about.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"})) {
                while (found.next()) tables++;
            }
            System.out.println("tables " + tables);
            try (ResultSet found = about.getColumns(null, "public", "detections", "%")) {
                while (found.next()) {
                    System.out.println("column " + found.getString("COLUMN_NAME") + " " + found.getString("TYPE_NAME")
                        + " " + found.getString("REMARKS"));
                }
            }
            String text = "SELECT event_id, amount, event_time, seq FROM transactions WHERE amount > ? ORDER BY seq LIMIT 100";
            try (PreparedStatement statement = connection.prepareStatement(text)) {
                // Piece by piece, by the portal that is suspended after each.
                statement.setFetchSize(7);
                long rows = 0, last = -1;
                for (int turn = 0; turn < 3; turn++) {
                    statement.setLong(1, 1);
                    last = -1;
                    try (ResultSet found = statement.executeQuery()) {
                        while (found.next()) {
                            if (found.getLong("seq") <= last) throw new Exception("a row twice, or out of order");
                            last = found.getLong("seq");
                            if (found.getTimestamp("event_time") == null) throw new Exception("no time");
                            rows++;
                        }
                    }
                }
                System.out.println("rows " + rows);
            }
            connection.commit();
            try (Statement statement = connection.createStatement()) {
                statement.execute("DELETE FROM transactions");
                System.out.println("deleted");
            } catch (SQLException refused) {
                System.out.println("refused " + refused.getSQLState());
            }
            connection.rollback();
            try (Statement statement = connection.createStatement()) {
                statement.setQueryTimeout(1);
                statement.executeQuery("SELECT * FROM changes('transactions', 9000000000000000000, INTERVAL '10 seconds')");
                System.out.println("waited");
            } catch (SQLException stopped) {
                System.out.println("stopped " + stopped.getSQLState());
            }
            connection.rollback();
        }
    }
}
