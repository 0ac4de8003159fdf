"""What a failed trial is called, from the facts that recorders and parents leave, as seen on real programs."""

import pytest

from ocrprof.results.sweep_failures import Ending, classify, classify_end, classify_hang

GIB = 1024**3


def facts(**changes):
    """A failure while batches were measured, two workers alive, room everywhere."""
    return {
        "phase": "measuring",
        "type": "RuntimeError",
        "message": "",
        "kind": None,
        "errno": None,
        "text": [],
        "loc": None,
        "exits": [[41, None], [42, None]],
        "num_workers": 2,
        "method": "fork",
        "shm": [0, 8 * GIB],
        "fds": [20, 1024],
        **changes,
    }


def ending(*stderr, exit_code=None, num_oom_kills=0):
    return Ending(exit_code=exit_code, stderr_tail=stderr, num_oom_kills=num_oom_kills)


KILLED = facts(message="DataLoader worker (pid 41) is killed by signal: Killed. ", exits=[[41, -9], [42, None]])
BUS = facts(message="DataLoader worker (pid 41) is killed by signal: Bus error. ", exits=[[41, -7], [42, None]])
TORN = facts(type="ConnectionResetError", message="[Errno 104] Connection reset by peer", errno=104)
STARTED = facts(phase="start", type="AttributeError", message="Can't pickle local object 'main.<locals>.<lambda>'")
ENDED = facts(phase="first batch", message="DataLoader worker (pid(s) 41) exited unexpectedly", exits=[[41, 1]])
NO_GUARD = (
    "An attempt has been made to start a new process before the current process has finished its bootstrapping phase."
)


@pytest.mark.parametrize(
    ("seen", "end", "status"),
    [
        (KILLED, ending(), "worker_killed"),
        (KILLED, ending(num_oom_kills=1), "oom_killed"),
        (BUS, ending(), "sigbus"),
        ({**BUS, "shm": [64 * 1024**2, 4096]}, ending(), "shm"),
        ({**TORN, "exits": [[41, -7], [42, None]]}, ending(), "sigbus"),
        ({**TORN, "exits": [[41, None], [42, -9]]}, ending(), "worker_killed"),
        ({**TORN, "exits": [[41, -11], [42, None]]}, ending(), "worker_killed"),
        ({**TORN, "exits": [[41, 1], [42, None]]}, ending(), "crashed"),
        (facts(message="unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)"),
         ending(), "shm"),
        (facts(type="OSError", errno=24, message="[Errno 24] Too many open files"), ending(), "fds"),
        (facts(message="received 0 items of ancdata"), ending(), "fds"),
        (STARTED, ending(), "unpicklable"),
        ({**ENDED, "method": "spawn"}, ending("AttributeError: Can't get attribute 'Data' on <module '__main__'>"),
         "unpicklable"),
        ({**ENDED, "method": "spawn"}, ending(NO_GUARD), "crashed"),
        (ENDED, ending(), "crashed"),
        (facts(message="DataLoader timed out after 5 seconds"), ending(), "timeout"),
        (facts(type="ValueError", message="Caught ValueError in DataLoader worker process 0.\nOriginal Traceback …\n"
               "ValueError: bad"), ending(), "user_error"),
        (facts(type="KeyError", message="'image'", num_workers=0, exits=[]), ending(), "user_error"),
        (facts(phase="rebuild", type="ValueError", message="no", num_workers=0, exits=[]), ending(), "crashed"),
        (facts(kind="shm", message="4 batches …", type="NoRoom"), ending(), "shm"),
        (facts(kind="fds", message="4 batches …", type="NoRoom"), ending(), "fds"),
    ],
)  # fmt: skip
def test_each_way_to_fail_has_a_status_of_its_own(seen, end, status):
    found = classify(seen, None, end)
    assert found.status == status
    assert found.failure.message


def test_a_worker_that_tells_its_sample_wins_over_the_signal_that_followed():
    error = {
        "index": 7,
        "path": "a/7.jpg",
        "dataset": "Pages",
        "type": "OSError",
        "message": "truncated",
        "loc": ["/home/ana/data.py", 30],
    }
    seen = facts(message="Caught OSError in DataLoader worker process 1.", loc=["/home/ana/train.py", 5])
    failure = classify(seen, error, ending()).failure
    assert failure.message == "Pages raised OSError for sample 7: truncated"
    assert (failure.sample_index, failure.path, failure.location.line) == (7, "a/7.jpg", 30)


def test_a_worker_that_exits_while_its_batch_is_fetched_is_told():
    failure = classify({**TORN, "exits": [[41, None], [42, 3]]}, None, ending()).failure
    assert failure.message == ("worker process 42 exited 3: ConnectionResetError: [Errno 104] Connection reset by peer")


def test_a_worker_that_could_not_send_its_batch_says_why_on_stderr():
    said = ["Traceback (most recent call last):", "OSError: [Errno 24] Too many open files", "Traceback (most recent …"]
    found = classify(facts(type="EOFError", message="", phase="first batch"), None, ending(*said))
    assert found.status == "fds"
    assert found.failure.message == "no more files may be opened: OSError: [Errno 24] Too many open files"


def test_what_the_worker_says_decides_where_the_main_process_saw_the_pipe_end_only():
    error = {
        "index": None,
        "path": None,
        "dataset": "Pages",
        "type": "RuntimeError",
        "message": "unable to open shared memory object </torch_1> in read-write mode: Too many open files (24)",
        "loc": None,
    }
    found = classify(facts(type="EOFError", message=""), error, ending())
    assert found.status == "fds"
    assert "Too many open files" in found.failure.message


def test_a_main_module_without_a_guard_is_told_to_have_one():
    assert "__main__" in classify({**ENDED, "method": "spawn"}, None, ending(NO_GUARD)).failure.advice


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (ending(exit_code=-9, num_oom_kills=2), "oom_killed"),
        (ending(exit_code=-9), "crashed"),
        (ending(exit_code=-7), "sigbus"),
        (ending("OSError: [Errno 24] Too many open files", exit_code=1), "fds"),
        (ending("RuntimeError: no such data set", exit_code=1), "crashed"),
    ],
)
def test_a_program_that_ends_by_itself_is_called_by_its_exit(end, status):
    assert classify_end(end).status == status


def test_a_hang_for_want_of_files_or_room_is_told_from_stderr():
    assert classify_hang("no batch for 30 s", ending("OSError: [Errno 24] Too many open files"), []).status == "fds"
    full = "RuntimeError: unable to write to file </torch_1_2>: No space left on device (28)"
    assert classify_hang("no batch for 30 s", ending(full), []).status == "shm"
    hung = classify_hang("no batch for 30 s", ending("epoch 0"), ["Process 1: python train.py"])
    assert (hung.status, hung.failure.stack) == ("timeout", ["Process 1: python train.py"])


@pytest.mark.parametrize(
    ("name", "num_oom_kills", "status"),
    [("Killed", 0, "worker_killed"), ("Killed", 1, "oom_killed"), ("Segmentation fault", 0, "worker_killed"),
     ("Bus error", 0, "sigbus")],
)  # fmt: skip
def test_a_worker_that_died_in_a_step_of_the_program_is_told_by_what_torch_said_there(name, num_oom_kills, status):
    said = f"RuntimeError: DataLoader worker (pid 41) is killed by signal: {name}. "
    found = classify_end(ending("Traceback (most recent call last):", said, exit_code=1, num_oom_kills=num_oom_kills))
    assert found.status == status
    assert "worker process 41" in found.failure.message


def test_of_a_hang_the_line_is_told_that_gives_the_reason():
    said = ["OSError: [Errno 24] Too many open files", "Traceback (most recent call last):"]
    assert classify_hang("no batch for 30 s", ending(*said), []).failure.message.endswith(said[0])
