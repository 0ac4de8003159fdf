"""Loads for 50 ms."""

import time

from lingering import LINGER_SECONDS

time.sleep(LINGER_SECONDS)
