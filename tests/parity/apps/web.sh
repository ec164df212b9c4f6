#!/bin/bash
# Runs until a signal ends it.
exec sleep 1000000
