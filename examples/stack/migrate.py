"""Brings the database to where the api needs it. It may be run again."""
from client import ask

before = ask("GET schema")
ask("SET schema 2")
print(f"schema {before or 'none'} -> 2", flush=True)
