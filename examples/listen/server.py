"""A web server that is given its port, so that no connection is lost while it is reloaded."""
import http.server
import os
import signal
import socket
import threading

ending = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A connection that is kept alive may be silent for so long.
    timeout = 2

    def do_GET(self):
        body = f"{os.getpid()} 0\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if ending.is_set():
            # The last answer on this connection.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    # Whoever is being answered when it ends gets the answer.
    daemon_threads = False


def sockets():
    """The sockets that the daemon holds for this process, by name: sd_listen_fds_with_names(3)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        raise SystemExit("no socket was given: start this with `listen`")
    names = os.environ["LISTEN_FDNAMES"].split(":")
    return {name: socket.socket(fileno=3 + index) for index, name in enumerate(names)}


def notify(text):
    """Tells the daemon something: sd_notify(3)."""
    name = os.environ.get("NOTIFY_SOCKET")
    if name:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            try:
                channel.sendto(text.encode(), name.replace("@", "\0", 1))
            except OSError:
                pass  # Nobody is there to hear it.


def end(*_):
    ending.set()
    notify("STOPPING=1")
    threading.Thread(target=server.shutdown).start()


listener = sockets()["web"]
# Two processes wait for connections while a reload is under way, and one of them comes too late.
listener.setblocking(False)
server = Server(listener.getsockname(), Handler, bind_and_activate=False)
server.socket.close()
server.socket = listener
signal.signal(signal.SIGTERM, end)
print("listening", listener.getsockname()[1], flush=True)
notify("READY=1\nSTATUS=answering")
server.serve_forever(poll_interval=0.02)
# Waits for the threads that still answer.
server.server_close()
