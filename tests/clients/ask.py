"""Runs statements with psycopg 3. In: one JSON line with the connection, then one for each statement: how, text, values.
Out: one JSON line for each: rows, the first row, the SQLSTATE, seconds."""
import json
import sys
import time

import psycopg


def run(connection, how, text, values):
    if how == "cursor":
        with connection.cursor(name="c") as cursor:
            cursor.itersize = 100
            cursor.execute(text, values or None)
            return list(cursor)
    with connection.cursor(binary=how == "binary") as cursor:
        if how == "copy":
            with cursor.copy(text) as copy:
                return [[bytes(line).decode('latin-1')] for line in copy]
        cursor.execute(text, values or None, prepare=True if how == "extended" else None)
        return cursor.fetchall() if cursor.description else []


def main():
    try:
        connection = psycopg.connect(json.loads(sys.stdin.readline()))
    except psycopg.OperationalError as error:
        print(json.dumps({"refused": str(error)}))
        return
    for line in sys.stdin:
        how, text, values = json.loads(line)
        begin, answer = time.monotonic(), {}
        try:
            rows = run(connection, how, text, values)
            answer = {"rows": len(rows), "first": [str(value) for value in rows[0]] if rows else None}
            connection.commit()
        except psycopg.Error as error:
            answer = {"error": error.sqlstate, "message": str(error)}
            connection.rollback()
        answer["seconds"] = time.monotonic() - begin
        print(json.dumps(answer), flush=True)


main()
