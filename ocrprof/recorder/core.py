"""The recorder of one process: one clock, nested spans per thread, marks, and the milestone to stop at."""

import _thread
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType
    from typing import Any  # what hooks hand in and get back belongs to the target

    from ocrprof.recorder.writer import Writer

_time = sys.modules["time"]
_FLUSH_EVERY_NS = 250_000_000
_MAX_NOTES = 200
_BARE_KINDS = ("process", "rank", "mark", "milestone", "note", "end")
# The work for which a program imports: its first begin, outside every load, ends the imports of the start. What is
# imported later belongs to the phase in which it is asked for.
_ENDS_IMPORTS = frozenset((
    "hydra.main", "hydra.compose", "hydra.plugins", "omegaconf", "program", "instantiate", "dataset.init",
    "datamodule.init", "dataloader.init", "data.setup", "model.init", "compile", "logger.init", "wandb.init",
    "trainer.init", "trainer.run", "fetch", "optimizer.step",
))  # fmt: skip
_WITH_USAGE = frozenset(("imports", "config", "data", "model", "first-batch", "first-step", "exit.begin"))
# The first of these to end, inside none of the others, leaves the data ready: a data set is there and in use.
_SETS_UP_DATA = ("data.setup", "dataloader.init")
_BUILDS_DATA = frozenset((*_SETS_UP_DATA, "data.prepare", "datamodule.init", "dataset.init"))


def now() -> int:
    """Nanoseconds of CLOCK_MONOTONIC, the one clock that the parent and all children share."""
    return int(_time.monotonic_ns())


class Recorder:
    """What the hooks call. Every method is cheap, and none raises into the target."""

    def __init__(
        self,
        writer: "Writer",
        load: "Callable[[str], ModuleType]",
        modules_at_start: "frozenset[str]",
        environ: "dict[str, str]",
    ) -> None:
        self.started = now()
        self.now = now
        self.load = load
        self.modules_at_start = modules_at_start
        self.loaded_names: set[str] = set()
        self.marks: set[str] = set()
        self.until = self._asked_until = environ.get("OCRPROF_UNTIL", "exit")
        self.rank = _whole_number(environ.get("RANK", environ.get("SLURM_PROCID")))
        self.world_size = _whole_number(environ.get("WORLD_SIZE", environ.get("SLURM_NTASKS"))) or 1
        self.run_dir = environ.get("OCRPROF_RUN_DIR", ".")
        self.watch: Any = None
        self.num_loads = self.start_ns = self.hooks_ns = 0
        self.is_bare = environ.get("OCRPROF_LEVEL") == "bare"
        self.lists_files = environ.get("OCRPROF_FILES") == "1"
        self.wants_parts = environ.get("OCRPROF_PARTS") == "1"
        self.num_train_batches = int(environ.get("OCRPROF_TRAIN_BATCHES", "0"))
        self.num_epochs = int(environ.get("OCRPROF_EPOCHS", "0"))
        self.num_val_batches = int(environ.get("OCRPROF_VAL_BATCHES", "0"))
        self.patience_ns = int(environ.get("OCRPROF_PATIENCE_SECONDS", "60")) * 1_000_000_000
        self.notify_path = environ.get("OCRPROF_NOTIFY")
        self.before_stop: list[Callable[[], None]] = []
        self.at_marks: list[Callable[[], None]] = []
        self.at_end: list[Callable[[], None]] = []
        self._writer = writer
        self._main_thread = _thread.get_ident()
        self._local = _thread._local()
        self._notes: set[str] = set()
        self._ended = False
        self._last_flush = self.started

    # -- records -------------------------------------------------------------------------------------------------

    def write(self, record: "dict[str, object]") -> None:
        """Appends a record; the batch reaches the file at the latest a quarter of a second of events later."""
        if not self.is_bare or record["k"] in _BARE_KINDS:
            self._writer.add(record)

    def write_encoded(self, record: str) -> None:
        """The same for a record that is a line of JSON already; not for level bare."""
        self._writer.add_encoded(record)

    def flush(self) -> None:
        """Everything recorded so far is in the file."""
        self._last_flush = now()
        self._writer.flush()

    def num_records(self) -> int:
        """Taken so far."""
        return self._writer.num_records

    def writing_ns(self) -> int:
        """Time in which the thread that recorded waited for the file."""
        return self._writer.writing_ns

    def mark(self, name: str, **attributes: object) -> None:
        """Records a moment, once a name; ends the run when it is the milestone that the run was asked for."""
        if name in self.marks and name != self.until:
            return
        at = now()
        try:
            self.marks.add(name)
            if name in _WITH_USAGE and not self.is_bare:
                attributes["usage"] = self.ask(lambda: self.load("state").usage(), (), {})
                attributes["cpu"] = _time.process_time_ns()
            self.write({"k": "mark", "name": name, "at": at, "a": attributes})
            for function in self.at_marks:
                self.ask(function, (), {})
            self.flush()
        finally:
            # Whatever a signal handler of the target raises meanwhile: it does not go on.
            if name == self.until and name != "exit":
                self.load("stop").stop_at_milestone(self, name, at)

    def leave_file(self) -> None:
        """Closes the file of this process, or in a forked child its parent's; what is pending is not written here."""
        self._writer.abandon()

    def restart_in_child(self, writer: "Writer") -> None:
        """Turns the recorder inherited through fork into the child's own: new file, empty stacks, no milestone."""
        self._writer = writer
        self._local = _thread._local()
        self._main_thread = _thread.get_ident()
        self.before_stop, self.at_marks, self.at_end = [], [], []
        self.started = now()
        self.until = "exit"
        self.num_loads = self.start_ns = self.hooks_ns = 0
        self._notes = set()
        self._ended = False

    def become_rank(self, rank: int, world_size: int) -> None:
        """This process is one of several that train together: each of them has to reach the milestone."""
        self.rank, self.world_size = rank, world_size
        self.until = self._asked_until
        self.write({"k": "rank", "rank": rank, "world_size": world_size, "at": now()})
        self.flush()

    # -- threads and source lines --------------------------------------------------------------------------------

    def thread(self) -> int:
        """0 in the main thread of this process, the thread's identifier in others."""
        ident = _thread.get_ident()
        return 0 if ident == self._main_thread else ident

    def loads(self) -> "list[list[Any]]":
        """This thread's stack of module loads in progress."""
        try:
            return self._local.loads  # type: ignore[no-any-return]  # attributes of a thread-local are untyped
        except AttributeError:
            self._local.loads = []
            return self._local.loads  # type: ignore[no-any-return]

    def spans(self) -> "list[str]":
        """Names of the spans open in this thread, the outermost first."""
        try:
            return self._local.spans  # type: ignore[no-any-return]
        except AttributeError:
            self._local.spans = []
            return self._local.spans  # type: ignore[no-any-return]

    # -- spans ---------------------------------------------------------------------------------------------------

    def begin(self, name: str, *, announce: bool = False) -> int:
        """Opens a span, and returns its start. `announce` writes that at once, so that a killed process tells where."""
        if "imports" not in self.marks and name in _ENDS_IMPORTS and not self.loads() and self.thread() == 0:
            self.mark("imports")
        self.spans().append(name)
        start = now()
        if announce:
            self.write({"k": "begin", "of": "span", "name": name, "start": start, "thread": self.thread(), "loc": None})
            self.flush()
        return start

    def end(
        self,
        name: str,
        start: int,
        *,
        location: "list[object] | None" = None,
        attributes: "dict[str, object] | None" = None,
        error: "BaseException | None" = None,
    ) -> None:
        """Closes the span that `begin` opened at `start`."""
        end = now()
        spans = self.spans()
        if name in spans:
            while spans.pop() != name:
                pass
        attributes = {} if attributes is None else attributes
        if error is not None:
            attributes = {**attributes, "error": type(error).__name__}
        self.write(
            {
                "k": "span",
                "name": name,
                "start": start,
                "end": end,
                "thread": self.thread(),
                "loc": location,
                "a": attributes,
            }
        )
        if end - self._last_flush > _FLUSH_EVERY_NS:
            self.flush()
        if "data" not in self.marks and name in _SETS_UP_DATA and error is None and _BUILDS_DATA.isdisjoint(spans):
            self.mark("data")

    def wrap(
        self,
        owner: object,
        attribute: str,
        name: str,
        *,
        attributes: "Callable[..., dict[str, object]] | None" = None,
        location: "Callable[..., list[object] | None] | None" = None,
        after: "Callable[[], None] | None" = None,
        announce: bool = True,
    ) -> None:
        """Replaces `owner.attribute` by the same function inside a span; what is not there becomes a note."""
        function = getattr(owner, attribute, None)
        if function is None:
            self.note("%s has no %s: its %r spans are missing" % (getattr(owner, "__name__", owner), attribute, name))
            return
        setattr(
            owner,
            attribute,
            self.timed(function, name, attributes=attributes, location=location, after=after, announce=announce),
        )

    def timed(
        self,
        function: "Callable[..., object]",
        name: str,
        *,
        attributes: "Callable[..., dict[str, object]] | None" = None,
        location: "Callable[..., list[object] | None] | None" = None,
        after: "Callable[[], None] | None" = None,
        announce: bool = True,
    ) -> "Callable[..., object]":
        """`function` inside a span `name`. Its result, its exceptions and the tracebacks of these stay as they are."""

        def wrapper(*args: object, **kwargs: object) -> object:
            start = self.begin(name, announce=announce)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                hide_frame(error)
                self.end(name, start, error=error)
                raise
            self.end(
                name,
                start,
                attributes=self.ask(attributes, args, kwargs),
                location=self.ask(location, args, kwargs),
            )
            if after is not None:
                after()
            return result

        return look_like(wrapper, function)

    def ask(self, function: "Callable[..., Any] | None", args: "Any", kwargs: "Any") -> "Any":
        """What a hook says of its arguments; a hook that fails costs its attributes, never the target."""
        if function is None:
            return None
        try:
            return function(*args, **kwargs)
        except Exception as error:
            self.forgive(error)
            return None

    def forgive(self, error: Exception, where: str = "") -> None:
        """Notes what a hook of ours has met. What a signal handler raised in it is the target's, and goes on to it."""
        if self.load("signals").is_from_handler(error):
            raise error
        self.note("%s%s: %s" % (where, type(error).__name__, error))

    def note(self, text: str) -> None:
        """Tells the report of something that could not be measured, once."""
        if text not in self._notes and len(self._notes) < _MAX_NOTES:
            self._notes.add(text)
            self.write({"k": "note", "text": text})

    # -- the end -------------------------------------------------------------------------------------------------

    def finish(self, reason: str) -> None:
        """Writes the last records of this process, once."""
        if self._ended:
            return
        self._ended = True
        self.load("last_records").write(self, self._writer, reason)


def hide_frame(error: BaseException) -> None:
    """Takes the calling frame out of the traceback: a bare `raise` after it does not put it back."""
    traceback = error.__traceback__
    if traceback is not None:
        error.__traceback__ = traceback.tb_next


def look_like(wrapper: "Callable[..., object]", function: "Callable[..., object]") -> "Callable[..., object]":
    """`functools.wraps` without functools."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__type_params__"):
        try:
            setattr(wrapper, name, getattr(function, name))
        except (AttributeError, TypeError):
            pass
    try:
        wrapper.__dict__.update(function.__dict__)
    except AttributeError:
        pass
    wrapper.__wrapped__ = function  # type: ignore[attr-defined]
    return wrapper


def line_of(function: object) -> "list[object] | None":
    """[file, line] where a function or a class's own `__init__` is defined; None for what has no source."""
    if isinstance(function, type):
        function = function.__dict__.get("__init__") or function.__init__  # type: ignore[misc]
    for _ in range(8):
        inner = getattr(function, "__wrapped__", None)
        if inner is None:
            break
        function = inner
    code: CodeType | None = getattr(function, "__code__", None)
    return None if code is None else [code.co_filename, code.co_firstlineno]


def name_of(value: object) -> str:
    """`module.qualname` of a class or function, of the class for an instance."""
    if not hasattr(value, "__qualname__"):
        value = type(value)
    return "%s.%s" % (getattr(value, "__module__", "?"), getattr(value, "__qualname__", "?"))


def _whole_number(text: "str | None") -> "int | None":
    return int(text) if text is not None and text.isdigit() else None
