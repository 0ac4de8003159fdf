"""Full collections of garbage, charged to those whose objects bring them about.

A full collection goes through the objects of the whole process: a tenth or a quarter of a second beside torch. It comes
when these have grown by a quarter (CPython, Modules/gcmodule.c: `long_lived_pending < long_lived_total / 4`), and falls
into whichever load is then going on. Without that load it would fall into another one, and nothing would be saved; but
without a share of the objects, that share of all collections is not needed.
"""

from ocrprof.records import ProcessRecords


def shifts_of(records: ProcessRecords) -> dict[str, float]:
    """Seconds to add to the self time of each module: full collections out, and in by the objects that it makes.

    How many objects a module makes is told by the number of all collections, young ones mostly, that fell into its
    load: one comes whenever there are some 700 objects more. They add up to nothing over a whole process.
    """
    counts: dict[str, list[int]] = records.totals.get("garbage_by_module", {})
    num_collections = sum(num for num, _ in counts.values())
    full_ns = sum(ns for _, ns in counts.values())
    return {name: (full_ns * num / num_collections - ns) / 1e9 for name, (num, ns) in counts.items()}
