"""Does a job from time to time, and goes on when the database was away."""
import signal
import sys
import time

from client import ask

signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
while True:
    try:
        print(f"job {ask('COUNT jobs')} done", flush=True)
    except OSError as error:
        print(f"job not done: {error}", flush=True)
    time.sleep(0.2)
