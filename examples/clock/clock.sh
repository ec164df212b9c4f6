#!/bin/bash
echo "tick"
