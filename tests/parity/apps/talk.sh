#!/bin/bash
# Says something on both streams, and stays.
echo "out 1"
echo "out 2"
echo "err 1" >&2
touch said
exec sleep 1000000
