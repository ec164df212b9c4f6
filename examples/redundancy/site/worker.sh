#!/bin/sh
# Works until it is told to end.
echo "$name works"
exec sleep 100000
