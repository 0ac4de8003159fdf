"""Writes a recommended setting into the file that decides it, proves that the program comes to it, or puts it back."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocrprof.errors import OcrprofError
from ocrprof.measure.config_source import Prover, prove_keys
from ocrprof.measure.startup import Progress
from ocrprof.measure.yaml_edit import CannotEditError, line_of_value, set_value, unified_diff, value_at
from ocrprof.results.config_source import Composition, at_the_end_of
from ocrprof.results.model import ConfigKey, Edit, Environment, Location, ProvenKey, SweepReport, WriteBack
from ocrprof.results.write_back import override_of, settings_to_write, why_not_carried, why_not_written
from ocrprof.target import Target


@dataclass(frozen=True, kw_only=True)
class WriteBackPlan:
    """`directory`: of its own, for the starts and the backups. `began`: of the sweep, in seconds since 1970.

    `saved`: the report was read from a folder, and what it says of the file must still be so. `key`: the one for
    num_workers; None looks for it.
    """

    target: Target
    report: SweepReport
    directory: Path
    began: float
    saved: bool = False
    key: str | None = None
    timeout_seconds: float = 600.0


@dataclass(frozen=True)
class Proposal:
    """What could be written: `texts` are the new ones of the files that `result` has edits of."""

    result: WriteBack
    texts: Mapping[Path, str]
    prover: Prover | None = None


def propose_write_back(plan: WriteBackPlan, *, progress: Progress) -> Proposal:
    """Where the recommendation belongs, proven by starts of the target, and the edits; nothing is written.

    Raises KeyboardInterrupt when interrupted.
    """
    report, loader = plan.report, plan.report.loader
    if loader is None:
        return Proposal(WriteBack(status="refused", reason="the sweep reached no loader"), {})
    recommendation = report.recommendation
    reason = why_not_carried(recommendation, current=loader.num_workers)
    if reason is not None or recommendation is None or recommendation.setting is None:
        return Proposal(WriteBack(status="refused", reason=reason or "the sweep recommends no setting"), {})
    settings = settings_to_write(recommendation.setting, loader)
    if settings == {"num_workers": loader.num_workers}:
        return Proposal(
            WriteBack(status="already", reason=f"the loader has num_workers={loader.num_workers} already"), {}
        )
    prover = Prover(plan.target, loader, plan.directory, plan.timeout_seconds)
    progress("starting the program up to its loader, to prove which key of its configuration feeds it")
    proof = prove_keys(prover, settings, key=plan.key)
    result = _located(
        WriteBack(
            status="already" if proof.already else "refused",
            override=override_of(proof.keys),
            keys=list(proof.keys),
            others=list(proof.others),
            following=list(proof.following),
            reason=proof.reason,
            advice=proof.advice,
            notes=list(proof.notes),
            num_starts=prover.num_starts,
        )
    )
    if not result.keys or proof.composition is None:
        return Proposal(result, {})
    result, texts = _planned(plan, result, proof.composition)
    return Proposal(result, texts, prover)


def apply_write_back(plan: WriteBackPlan, proposal: Proposal, *, progress: Progress) -> WriteBack:
    """What became of the files; they are as before where the program does not come to what was written.

    A copy of each is kept below the plan's folder.
    """
    result, prover = proposal.result, proposal.prover
    if not result.edits or prover is None:
        return result
    backups = [_back_up(Path(edit.file), plan.directory / "backup", number) for number, edit in enumerate(result.edits)]
    done: list[tuple[Edit, Path]] = []
    problem: str | None = "interrupted while it was written"
    try:
        for edit, backup in zip(result.edits, backups, strict=True):
            if _digest(_read(Path(edit.file))) != edit.sha256_before:
                problem = f"{edit.file} changed while its diff was shown"
                break
            done.append((edit, backup))
            _replace(Path(edit.file), proposal.texts[Path(edit.file)])
        else:
            progress("written; starting the program once more, to see that it comes to the new value")
            problem = _verified(prover, result.keys)
    finally:
        if problem is not None:
            for edit, backup in done:
                _replace(Path(edit.file), backup.read_bytes().decode())
    edits = [
        edit.model_copy(update={"backup": str(backup)}) for edit, backup in zip(result.edits, backups, strict=True)
    ]
    result = result.model_copy(update={"edits": edits, "num_starts": prover.num_starts})
    if problem is None:
        return result.model_copy(update={"status": "written"})
    advice = f"the files are as they were; give the override {result.override}"
    return result.model_copy(update={"status": "restored", "reason": problem, "advice": advice})


def note_of(environment: Environment, created: str) -> str:
    """`ocrprof sweep-workers, MACHINE, DATE`, as it stands in the comment behind a value; `created` is ISO 8601."""
    cores = f"{environment.num_cores_usable:g} core{'' if environment.num_cores_usable == 1 else 's'}"
    return f"ocrprof sweep-workers, {' '.join(environment.cpu.split())}, {cores}, {created[:10]}"


def _located(result: WriteBack) -> WriteBack:
    """The same with the line and the digest of each value that stands in a file."""
    keys = [one.model_copy(update={"config_key": _with_line(one.config_key)}) for one in result.keys]
    return result.model_copy(update={"keys": keys, "others": [_with_line(one) for one in result.others]})


def _with_line(key: ConfigKey) -> ConfigKey:
    if key.location is None or key.file_key is None:
        return key
    try:
        content = Path(key.location.file).read_bytes()
        line = line_of_value(content.decode(), key.file_key.split("."))
    except (OSError, UnicodeDecodeError, CannotEditError):
        return key
    location = Location(file=key.location.file, line=line)
    return key.model_copy(update={"location": location, "file_sha256": hashlib.sha256(content).hexdigest()})


def _planned(plan: WriteBackPlan, result: WriteBack, composition: Composition) -> tuple[WriteBack, dict[Path, str]]:
    """The same with the edits that would be made, and the files' new texts; or, with a reason, none."""
    texts: dict[Path, str] = {}
    note = note_of(plan.report.environment, plan.report.created)
    for proven in result.keys:
        if proven.recommended == proven.config_key.value:
            continue  # the other settings alone are to be changed
        end = at_the_end_of(composition, proven.config_key, argv=plan.target.argv)
        refused = why_not_written(proven, end=end) or _file_problem(plan, proven)
        if refused is None:
            path = Path((proven.config_key.location or Location(file="", line=0)).file)
            try:
                texts[path] = _new_text(texts.get(path), path, proven, note)
            except CannotEditError as error:
                refused = (
                    f"{proven.config_key.key} cannot be changed in {path}: {error}",
                    f"change it by hand, or give the override {result.override}",
                )
        if refused is not None:
            return result.model_copy(update={"reason": refused[0], "advice": refused[1]}), {}
    edits = [_edit(path, text, cwd=plan.target.cwd) for path, text in texts.items()]
    return result.model_copy(update={"edits": edits, "status": "proposed"}), texts


def _new_text(text: str | None, path: Path, proven: ProvenKey, note: str) -> str:
    key = proven.config_key
    text = _read(path) if text is None else text
    file_path = (key.file_key or "").split(".")
    stands = value_at(text, file_path)
    if stands != key.written:
        raise CannotEditError(f"it says {stands!r} there, and the composition took {key.written!r} from it")
    return set_value(text, file_path, proven.recommended, note=note).text


def _file_problem(plan: WriteBackPlan, proven: ProvenKey) -> tuple[str, str] | None:
    """Why the file that decides a key is not to be written; None where it may be."""
    key = proven.config_key
    override = override_of([proven])
    if key.location is None or key.file_key is None or key.file_sha256 is None:
        return f"the value of {key.key} is not to be found in a file", f"give the override {override}"
    path = Path(key.location.file).resolve()
    changed = _changed_since(plan, key, path)
    if changed is not None:
        return changed, f"sweep again, or give the override {override}"
    for place in (path, path.parent):
        # The bits too: to root everything is writable.
        if not os.access(place, os.W_OK) or not place.stat().st_mode & 0o222:
            return f"{place} is not writable", f"make it writable, or give the override {override}"
    return None


def _changed_since(plan: WriteBackPlan, key: ConfigKey, path: Path) -> str | None:
    before = plan.report.write_back if plan.saved else None
    known = {one.config_key.key: one.config_key for one in before.keys} if before is not None else {}
    if key.key not in known:
        is_newer = path.stat().st_mtime > plan.began
        return f"{path} has changed since the sweep began" if is_newer else None
    then = known[key.key]
    if then.location is None or then.location.file != str(key.location.file if key.location else None):
        was = then.location.file if then.location is not None else "no file"
        return f"{key.key} is decided by {path} now, and was decided by {was} at the sweep"
    return f"{path} has changed since the sweep" if then.file_sha256 != key.file_sha256 else None


def _edit(path: Path, text: str, *, cwd: Path) -> Edit:
    before = _read(path)
    name = os.path.relpath(path, cwd) if path.is_relative_to(cwd) else str(path).lstrip("/")
    return Edit(
        file=str(path),
        diff=unified_diff(before, text, name=name),
        sha256_before=_digest(before),
        sha256_after=_digest(text),
        uncommitted=_is_uncommitted(path),
    )


def _verified(prover: Prover, keys: Sequence[ProvenKey]) -> str | None:
    """Why what was written is not what the program comes to; None where it is."""
    start = prover.start()
    if start.problem is not None:
        return f"with the new value the program was started, and {start.problem}"
    for proven in keys:
        key, setting = proven.config_key.key, proven.config_key.setting
        composed = start.composition.values.get(key) if start.composition is not None else None
        given = (start.loader or {}).get(setting)
        if start.composition is not None and key in start.composition.values and composed != proven.recommended:
            return f"{key} is composed as {composed} still, not {proven.recommended}"
        if given != proven.recommended:
            return f"the loader was given {setting}={given} still, not {proven.recommended}"
    return None


def _back_up(path: Path, folder: Path, number: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    backup = folder / (path.name if not (folder / path.name).exists() else f"{number}-{path.name}")
    shutil.copy2(path, backup)
    return backup.resolve()


def _replace(path: Path, text: str) -> None:
    """Writes the file as a whole or not at all; its mode stays, and so does a link that leads to it."""
    path = path.resolve()
    try:
        status = path.stat()
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            try:
                file.write(text.encode())
                file.flush()
                os.fchmod(file.fileno(), status.st_mode & 0o7777)
                with contextlib.suppress(PermissionError):
                    os.fchown(file.fileno(), status.st_uid, status.st_gid)
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(file.name).unlink()
                raise
    except OSError as error:
        raise OcrprofError(f"cannot write {path}: {error.strerror or error}", hint="nothing was changed") from error


def _read(path: Path) -> str:
    """The text, its line ends as they are."""
    return path.read_bytes().decode()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _is_uncommitted(path: Path) -> bool:
    """Whether Git follows the file and holds another text of it; False without Git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(path.parent), "status", "--porcelain", "--untracked-files=no", "--", path.name],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and bool(done.stdout.strip())
