"""Answers with its version and what the database knows. Its port is given to it, so that a reload loses no connection."""
import http.server
import os
import signal
import socket
import threading

from client import ask

ending = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A connection that is kept alive may be silent for so long.
    timeout = 2

    def do_GET(self):
        try:
            schema = ask("GET schema")
            status, body = 200, f"{os.getpid()} version {os.environ['VERSION']}, schema {schema}\n"
        except OSError as error:
            status, body = 503, f"no database: {error}\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if ending.is_set():
            # The last answer on this connection.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    # Whoever is being answered when it ends gets the answer.
    daemon_threads = False


def notify(text):
    """Tells the daemon something: sd_notify(3)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(text.encode(), os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))


def end(*_):
    ending.set()
    threading.Thread(target=server.shutdown).start()


# The one socket that the daemon holds for it: sd_listen_fds(3).
listener = socket.socket(fileno=3)
# Two processes wait for connections while a reload is under way, and one of them comes too late.
listener.setblocking(False)
server = Server(listener.getsockname(), Handler, bind_and_activate=False)
server.socket.close()
server.socket = listener
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
print(f"version {os.environ['VERSION']} is up", flush=True)
notify("READY=1")
server.serve_forever(poll_interval=0.05)
# Waits for the threads that still answer.
server.server_close()
