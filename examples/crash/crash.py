"""Does its work for a moment, then fails."""
import sys

print("working")
sys.exit("something went wrong")
