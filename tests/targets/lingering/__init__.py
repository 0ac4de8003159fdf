"""Modules that each take 50 ms to load: moments that a sampler, which looks every 10 ms, cannot miss."""

import time

LINGER_SECONDS = 0.05
time.sleep(LINGER_SECONDS)
