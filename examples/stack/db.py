"""A stand-in for a database: values by name, kept in a file. `BREAK` makes it deaf, as a program that hangs is."""
import json
import os
import signal
import socketserver
import threading

FILE = os.environ["DB_FILE"]
lock = threading.Lock()
try:
    with open(FILE) as file:
        values = json.load(file)
except (OSError, ValueError):
    values = {}


def answer(line):
    word, *rest = line.split(" ")
    with lock:
        if word == "GET":
            return values.get(rest[0], "")
        if word == "SET":
            values[rest[0]] = rest[1]
        elif word == "COUNT":
            values[rest[0]] = str(int(values.get(rest[0], "0")) + 1)
        else:
            return "what?"
        with open(FILE + ".new", "w") as file:
            json.dump(values, file)
        os.replace(FILE + ".new", FILE)
        return values[rest[0]]


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        password, _, line = self.rfile.readline().decode().strip().partition(" ")
        if password != os.environ["DB_PASSWORD"]:
            return
        if line == "BREAK":
            threading.Thread(target=server.shutdown).start()
            return
        self.wfile.write(f"{answer(line)}\n".encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


signal.signal(signal.SIGINT, lambda *_: os._exit(0))
with Server(("127.0.0.1", int(os.environ["DB_PORT"])), Handler) as server:
    print("the database is up", flush=True)
    server.serve_forever(poll_interval=0.05)
print("deaf", flush=True)
while True:
    signal.pause()
