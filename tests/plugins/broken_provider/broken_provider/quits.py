"""Leaves as soon as it is imported."""

import sys

sys.exit("I quit")
