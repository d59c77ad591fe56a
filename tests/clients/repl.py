"""Talks to a program at a terminal. Arguments: the program with its arguments. In: JSON lines with what is typed and what must come
then. Out: all that the program said."""
import json
import os
import pty
import select
import sys
import time

TIME_MAX = 120


def main():
    steps = [json.loads(line) for line in sys.stdin]
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm"
        os.execv(sys.argv[1], sys.argv[1:])
    said, seen, end = b"", 0, time.monotonic() + TIME_MAX
    for typed, awaited in steps:
        os.write(terminal, typed.encode())
        while awaited.encode() not in said[seen:]:
            ready, _, _ = select.select([terminal], [], [], 1)
            if time.monotonic() > end:
                break
            if ready:
                try:
                    said += os.read(terminal, 65536)
                except OSError:
                    break
        seen = len(said)
    os.close(terminal)
    os.waitpid(child, 0)
    sys.stdout.write(said.decode("utf-8", "replace"))


main()
