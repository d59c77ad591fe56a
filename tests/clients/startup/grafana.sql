-- Save & test, lib/pq (default up to Grafana 12): database/sql Ping, an empty statement (text composed)
;

-- Save & test, pgx v5 (feature flag, later the default): Pool.Ping, a statement that is only a comment (text composed)
-- ping

-- data source settings: version of the server
SELECT current_setting('server_version_num')::int/100 as version;

-- data source settings: version of TimescaleDB (no row when absent)
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb';

-- query builder: schemas (newest versions only)
SELECT schema_name AS "name"
    FROM information_schema.schemata
    WHERE schema_name NOT IN ('information_schema',
                              'pg_catalog',
                              'pg_toast',
                              '_timescaledb_cache',
                              '_timescaledb_catalog',
                              '_timescaledb_internal',
                              '_timescaledb_config',
                              'timescaledb_information',
                              'timescaledb_experimental')
    ORDER BY schema_name;

-- query builder: tables
SELECT
    CASE WHEN 
          quote_ident(table_schema) IN (
          SELECT
            CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM
            generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          )
      THEN quote_ident(table_name)
      ELSE quote_ident(table_schema) || '.' || quote_ident(table_name)
    END AS "table"
    FROM information_schema.tables
    WHERE quote_ident(table_schema) NOT IN ('information_schema',
                             'pg_catalog',
                             '_timescaledb_cache',
                             '_timescaledb_catalog',
                             '_timescaledb_internal',
                             '_timescaledb_config',
                             'timescaledb_information',
                             'timescaledb_experimental')
    ORDER BY CASE WHEN 
          quote_ident(table_schema) IN (
          SELECT
            CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM
            generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          ) THEN 0 ELSE 1 END, 1;

-- query builder: tables of a chosen schema (newest versions only)
SELECT quote_ident(table_name) AS "table"
      FROM information_schema.tables
      WHERE quote_ident(table_schema) = 'public'
      ORDER BY 1;

-- query builder: columns of a table
SELECT quote_ident(column_name) AS "column", data_type AS "type"
    FROM information_schema.columns
    WHERE
      CASE WHEN array_length(parse_ident('transactions'),1) = 2
        THEN quote_ident(table_schema) = (parse_ident('transactions'))[1]
          AND quote_ident(table_name) = (parse_ident('transactions'))[2]
        ELSE quote_ident(table_name) = 'transactions'
          AND 
          quote_ident(table_schema) IN (
          SELECT
            CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM
            generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          )
      END;

-- query builder: columns of a table named with its schema
SELECT quote_ident(column_name) AS "column", data_type AS "type"
    FROM information_schema.columns
    WHERE
      CASE WHEN array_length(parse_ident('public.transactions'),1) = 2
        THEN quote_ident(table_schema) = (parse_ident('public.transactions'))[1]
          AND quote_ident(table_name) = (parse_ident('public.transactions'))[2]
        ELSE quote_ident(table_name) = 'public.transactions'
          AND 
          quote_ident(table_schema) IN (
          SELECT
            CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM
            generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          )
      END;

-- query builder: first look at a table (toRawSql with limit 50) (clauses and macros seen, whole text composed)
SELECT * FROM transactions LIMIT 50;

-- query builder: average over time, macros $__timeGroup and $__timeFilter expanded (clauses and macros seen, whole text composed)
SELECT floor(extract(epoch from event_time)/60)*60 AS "time", AVG(amount) AS "amount" FROM transactions WHERE event_time BETWEEN '2026-03-02T00:00:00Z' AND '2026-03-02T06:00:00Z' GROUP BY floor(extract(epoch from event_time)/60)*60 ORDER BY floor(extract(epoch from event_time)/60)*60 ASC LIMIT 50;

-- code editor, time series: $__time and $__timeFilter expanded
SELECT
  event_time AS "time",
  status AS metric,
  amount AS value
FROM transactions
WHERE
  event_time BETWEEN '2026-03-02T00:00:00Z' AND '2026-03-02T06:00:00Z'
ORDER BY event_time;

-- code editor, time series: $__timeGroupAlias(event_time,$__interval) and $__timeFilter expanded
SELECT
  floor(extract(epoch from event_time)/60)*60 AS "time",
  status AS metric,
  avg(amount) AS "amount"
FROM transactions
WHERE
  event_time BETWEEN '2026-03-02T00:00:00Z' AND '2026-03-02T06:00:00Z'
GROUP BY 1,2
ORDER BY 1,2;

-- code editor, time series: $__timeGroup with $__timeFrom() and $__timeTo() expanded
SELECT
  floor(extract(epoch from event_time)/300)*300 AS "time",
  count(*) AS "count"
FROM transactions
WHERE
  event_time >= '2026-03-02T00:00:00Z' AND event_time < '2026-03-02T06:00:00Z'
GROUP BY 1
ORDER BY 1;

-- code editor, time series: $__timeEpoch expanded
SELECT extract(epoch from event_time) as "time", amount FROM transactions WHERE event_time BETWEEN '2026-03-02T00:00:00Z' AND '2026-03-02T06:00:00Z' ORDER BY 1;

-- code editor, table: $__unixEpochFilter and $__unixEpochGroupAlias expanded over a number
SELECT floor((extract(epoch from event_time))/3600)*3600 AS "time", sum(amount) AS value FROM transactions WHERE extract(epoch from event_time) >= 1740787200 AND extract(epoch from event_time) <= 1740808800 GROUP BY 1 ORDER BY 1;

-- dashboard variable: values (composed)
SELECT DISTINCT status FROM transactions ORDER BY 1;

-- annotation query: the pattern of the documentation (composed)
SELECT
  extract(epoch from event_time) AS time,
  tx_id AS text,
  status AS tags
FROM
  transactions
WHERE
  event_time BETWEEN '2026-03-02T00:00:00Z' AND '2026-03-02T06:00:00Z';
