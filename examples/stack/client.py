"""Asking the database."""
import os
import socket


def ask(line):
    """The answer to one line; an OSError if there is none."""
    with socket.create_connection(("127.0.0.1", int(os.environ["DB_PORT"])), timeout=5) as connection:
        connection.sendall(f"{os.environ['DB_PASSWORD']} {line}\n".encode())
        answer = connection.makefile().readline()
        if not answer.endswith("\n"):
            raise OSError("the database did not answer")
        return answer.strip()
