"""Standard library only: one function that sleeps and one that burns, after slow imports; tells what both took."""

import asyncio
import json
import time

import lingering.first
import lingering.second
import lingering.third

NAP_SECONDS, BURN_SECONDS = 0.8, 0.6
LOADED = (asyncio, lingering)


def nap() -> None:
    time.sleep(NAP_SECONDS)


def burn() -> int:
    until, count = time.perf_counter() + BURN_SECONDS, 0
    while time.perf_counter() < until:
        count += 1
    return count


def timed(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps({"nap": timed(nap), "burn": timed(burn)}))
