"""A DataLoader of known service time: `loader_script.py [--sleep-ms 5] [--spin-ms 0] [switches]`; trains nothing.

Each switch makes the loader fail, or be of another kind, in one way that real ones do.
"""

import argparse
import functools
import hashlib
import io
import itertools
import os
import resource
import signal
import sys
import threading
import time
from multiprocessing.reduction import ForkingPickler

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, get_worker_info

SAMPLE_BYTES = 4
PAGE = bytes(2**15)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--num-samples", type=int, default=4096)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--sleep-ms", type=float, default=0.0, help="a sample, asleep")
    parser.add_argument("--spin-ms", type=float, default=0.0, help="a sample, of processor time")
    parser.add_argument("--sample-bytes", type=int, default=SAMPLE_BYTES)
    parser.add_argument("--num-workers", type=int, default=1)
    parser.add_argument("--persistent", action="store_true")
    parser.add_argument("--method", choices=["fork", "spawn", "forkserver"])
    parser.add_argument("--kind", default="map", choices=[
        "map", "iterable", "sharded", "unbatched", "batch-sampler", "subclass", "list", "subset", "none"])  # fmt: skip
    parser.add_argument("--evaluate-first", action="store_true", help="a loader of its own, without gradients")
    parser.add_argument("--evaluate-last", action="store_true", help="the same, after the epoch")
    parser.add_argument("--steps", type=int, default=0, help="train so many steps, of --step-ms each")
    parser.add_argument("--step-ms", type=float, default=0.0)
    parser.add_argument("--max-files", type=int, help="ulimit -n")
    for name in ("kill", "raise", "hang", "bus", "tear", "complain"):
        parser.add_argument(f"--{name}-at", type=int, default=-1, help="the index of the sample")
    parser.add_argument("--staged", action="store_true", help="decode a picture, and transform it for 1 ms")
    parser.add_argument("--unpicklable", action="store_true")
    parser.add_argument("--nested", action="store_true", help="batches of nested tensors, which have no shape")
    parser.add_argument("--stubborn", action="store_true", help="workers that do not end when they are told to")
    parser.add_argument("--hold-mb", type=int, default=0, help="memory that each worker fills for itself alone")
    parser.add_argument("--crash", action="store_true", help="before the loader is iterated")
    return parser.parse_args()


class Timed(Dataset):
    """Zeros and their index; a sample takes a known time to read."""

    def __init__(self, options):
        self.options = options
        self.paths = [f"images/{index:05d}.jpg" for index in range(options.num_samples)]
        self.transform = Sleep() if options.staged else None
        self.picture = picture() if options.staged else None
        if options.unpicklable:
            self.transform = lambda pixels: pixels

    def __len__(self):
        return self.options.num_samples

    def __getitem__(self, index):
        options = self.options
        if index == options.raise_at:
            raise ValueError("this picture is broken")
        if index == options.kill_at and get_worker_info():
            os.kill(os.getpid(), signal.SIGKILL)
        if index == options.bus_at and get_worker_info():
            os.kill(os.getpid(), signal.SIGBUS)
        if index == options.tear_at and get_worker_info():
            die_while_fetched()
        if index == options.hang_at:
            time.sleep(3600)
        while index == options.complain_at:
            print("OSError: [Errno 24] Too many open files", file=sys.stderr)
        work(options)
        if self.picture is not None:
            from PIL import Image

            self.transform(Image.open(io.BytesIO(self.picture)).convert("L"))
        return torch.zeros(options.sample_bytes // 4), index


def die_while_fetched():
    """The next batch breaks off in the main process, and this one ends by SIGBUS a moment later."""
    ForkingPickler.register(torch.Tensor, lambda tensor: (torn, ()))
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGBUS)).start()


def torn():
    raise ConnectionResetError(104, "Connection reset by peer")


class Sleep:
    """A transform of 1 ms."""

    def __call__(self, image):
        time.sleep(0.001)
        return image


def picture():
    """A PNG of 400 x 400 pixels."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (400, 400)).save(file, "PNG")
    return file.getvalue()


class Stream(IterableDataset):
    """The same in an order of its own; `sharded` shares the samples out to the workers."""

    def __init__(self, options):
        self.options = options

    def __iter__(self):
        worker = get_worker_info()
        is_shared = self.options.kind == "sharded" and worker is not None
        first, stride = (worker.id, worker.num_workers) if is_shared else (0, 1)
        for index in range(first, self.options.num_samples, stride):
            work(self.options)
            yield torch.full((1,), float(index)), index


class Wrapped(DataLoader):
    """As accelerate's: it does something with each batch on its way out."""

    def __init__(self, dataset, options, **kwargs):
        super().__init__(dataset, **kwargs)
        self.options = options

    def __iter__(self):
        for batch in super().__iter__():
            yield tuple(batch)


class Pairs:
    """A batch sampler of one's own."""

    def __init__(self, num_samples):
        self.num_samples = num_samples

    def __iter__(self):
        yield from ([index, index + 1] for index in range(0, self.num_samples - 1, 2))

    def __len__(self):
        return self.num_samples // 2


def work(options):
    if options.sleep_ms:
        time.sleep(options.sleep_ms / 1e3)
    if options.spin_ms:
        end = time.thread_time() + options.spin_ms / 1e3
        while time.thread_time() < end:
            hashlib.sha256(PAGE)  # without the GIL, as decoders work: the thread that hands batches over need not wait


def be_stubborn(_):
    """A `worker_init_fn` after which the worker sleeps on where it is asked to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    import multiprocessing.util

    multiprocessing.util.Finalize(None, time.sleep, args=(3600,), exitpriority=100)


HELD = []


def hold(num_bytes, _):
    """A `worker_init_fn` that fills so much memory."""
    HELD.append(b"x" * num_bytes)


def build(options):
    given = {"num_workers": options.num_workers}
    if options.num_workers:
        given |= {"persistent_workers": options.persistent, "multiprocessing_context": options.method}
    if options.stubborn:
        given["worker_init_fn"] = be_stubborn
    if options.hold_mb:
        given["worker_init_fn"] = functools.partial(hold, options.hold_mb * 2**20)
    if options.nested:
        given["collate_fn"] = nest
    if options.kind in ("iterable", "sharded"):
        return DataLoader(Stream(options), batch_size=options.batch_size, **given)
    data = Timed(options)
    if options.kind == "unbatched":
        return DataLoader(data, batch_size=None, shuffle=True, **given)
    if options.kind == "batch-sampler":
        return DataLoader(data, batch_sampler=Pairs(options.num_samples), **given)
    if options.kind == "subclass":
        return Wrapped(data, options, batch_size=options.batch_size, **given)
    if options.kind == "list":
        return DataLoader(list(range(options.num_samples)), batch_size=options.batch_size, **given)
    if options.kind == "subset":
        data = Subset(data, range(100, options.num_samples))
        return DataLoader(data, batch_size=options.batch_size, **given)
    return DataLoader(data, batch_size=options.batch_size, shuffle=options.raise_at < 0, **given)


def nest(samples):
    return torch.nested.nested_tensor([pixels for pixels, _ in samples])


def evaluate():
    with torch.no_grad():
        for _ in DataLoader(list(range(8)), batch_size=4):
            pass


def main():
    options = parse()
    if options.crash:
        raise RuntimeError("no such data set")
    if options.max_files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (options.max_files, options.max_files))
    if options.kind == "none":
        return
    if options.evaluate_first:
        evaluate()
    loader = build(options)
    if not options.steps:
        for _ in loader:
            pass
        if options.evaluate_last:
            evaluate()
        return
    batches = itertools.islice(itertools.chain.from_iterable(itertools.repeat(loader)), options.steps)
    for _ in batches:
        time.sleep(options.step_ms / 1e3)
    print("trained")


if __name__ == "__main__":
    sys.exit(main())
