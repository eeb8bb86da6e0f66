"""``harness data prepare``: a BIDS folder of raw recordings in, a corpus folder out.

The output has SparrKULee's own layout::

    derivatives/preprocessed_eeg/<subject>/<session>/..._desc-preproc-audio-<stimulus>_eeg.npy
                                               (n_channels, n_times) float32, microvolts
    derivatives/preprocessed_stimuli/<stimulus>_-_<feature>.npy
                                               (n_times, n_bands) float32, 64 frames a second
    recipe.toml                                the recipe, byte for byte
    corpus.toml                                what the corpus is, and the recipe's sha256
    prepare-report.json, prepare-report.txt    what became of every recording
    .prepare/                                  what is finished, so that a second call goes on

Every file is written whole or not at all, and what is finished is noted after its last file. A second call
does what is missing, changed or failed. The same recordings give the same bytes, whatever the number of
processes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.conventions import Progress
from harness.corpus.array_files import open_npy
from harness.corpus.base import natural_key
from harness.corpus.declaration import DECLARATION
from harness.errors import CorpusError, Fault, HarnessError
from harness.files import write_atomically
from harness.preprocessing import report as reports
from harness.preprocessing.bids import (
    SEPARATOR,
    STIMULI,
    Event,
    RawRecording,
    find_recordings,
    read_channels,
    read_events,
    sidecar,
)
from harness.preprocessing.declare import declaration_toml
from harness.preprocessing.process import RecordingResult, process
from harness.preprocessing.read import COMPANIONS, import_mne, opened
from harness.preprocessing.recipe import Recipe
from harness.preprocessing.report import RecordingEntry, Report, StimulusEntry
from harness.preprocessing.stimuli import DEFINITIONS, MadeFeatures, make_features

# Goes up with every change that changes a byte of what a recipe makes.
VERSION: Final = 1
EEG_FOLDER: Final = "derivatives/preprocessed_eeg"
FEATURE_FOLDER: Final = "derivatives/preprocessed_stimuli"
# Where a BIDS folder may have features already, for stimuli whose audio is not there.
_GIVEN_FEATURES: Final = (FEATURE_FOLDER, "derivatives/stimuli")
STATE_FOLDER: Final = ".prepare"
RECIPE_FILE: Final = "recipe.toml"
_T = TypeVar("_T")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class _Source(msgspec.Struct, frozen=True):
    """A file that something was made from; with another size or time it counts as another file."""

    path: str
    n_bytes: int
    modified_ns: int


class _Finished(msgspec.Struct, frozen=True, kw_only=True):
    """What was made of one recording or stimulus.

    Attributes:
        key: recipe, version and whatever else decides the result beside the sources.
        sources: what it was made from.
        files: path in the output -> size.
        recording: its entry in the report, of a recording.
        stimulus: its entry in the report, of a stimulus.
    """

    key: str
    sources: tuple[_Source, ...]
    files: dict[str, int]
    recording: RecordingEntry | None = None
    stimulus: StimulusEntry | None = None


@dataclass(frozen=True)
class _Planned:
    """A recording with what was heard in it."""

    recording: RawRecording
    events: tuple[Event, ...]


@dataclass(frozen=True)
class _Failed:
    """Why something could not be made."""

    reasons: tuple[str, ...]


def prepare(
    root: Path,
    out: Path,
    recipe: Recipe,
    *,
    features: Sequence[str] = ("mel", "envelope"),
    jobs: int = 1,
    on_progress: Progress | None = None,
) -> Report:
    """Make a corpus folder from a BIDS folder.

    Args:
        root: the BIDS folder.
        out: the corpus's folder, new, empty, or of an earlier call with the same recipe.
        recipe: what to do with every recording.
        features: which features of the stimuli to make, of `harness.preprocessing.stimuli.DEFINITIONS`.
        jobs: processes; each holds one recording in memory.
        on_progress: called with what is finished, what there is, and what is worked on.

    Returns:
        What became of every recording, failed ones among them; it is also in the folder.

    Raises:
        CorpusError: no recording, mne is not installed, ``out`` holds something else or is being made by
            another process, or the disk is full; what was finished before stays.
    """
    import_mne()
    recordings, remarks = find_recordings(root)
    with _output(out, recipe) as output, contextlib.ExitStack() as stack:
        workers = None
        if jobs > 1 and len(recordings) > 1:
            workers = _Workers(min(jobs, len(recordings)))
            stack.callback(workers.close)
        with_stimuli, entries = _planned(root, recordings)
        clashes = _clashes(with_stimuli)
        entries |= clashes
        planned = [one for one in with_stimuli if one.recording.name not in clashes]
        heard = {event.stimulus: event for one in planned for event in one.events}
        work = _Work(root, output, recipe, workers, on_progress, len(heard) + len(planned))
        stimuli = work.stimuli(heard, tuple(features))
        entries |= work.recordings(planned, stimuli)
        report = Report(
            recipe=recipe.name,
            recipe_sha256=recipe.sha256,
            version=VERSION,
            recordings=tuple(entries[one.name] for one in recordings),
            stimuli=tuple(stimuli[name] for name in sorted(stimuli, key=natural_key)),
            remarks=tuple(remarks),
        )
        _declare(root, output, recipe, report)
        output.write(f"{reports.NAME}.json", reports.report_json(report))
        output.write(f"{reports.NAME}.txt", reports.report_text(report).encode())
    return report


def _declare(root: Path, output: _Output, recipe: Recipe, report: Report) -> None:
    """Write corpus.toml, or bring one of an earlier call up to date."""
    made = [entry for entry in report.recordings if entry.outcome == "prepared"]
    if not made:
        return
    path = output.folder / DECLARATION
    text = declaration_toml(
        root,
        recipe,
        VERSION,
        made[0].channels,
        [name for name in DEFINITIONS if any(name in stimulus.frames for stimulus in report.stimuli)],
        [stimulus.stimulus for stimulus in report.stimuli],
        path.read_text("utf-8") if path.is_file() else None,
    )
    if text is not None:
        output.write(DECLARATION, text.encode())


class _Output:
    """The folder that is made, locked by this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scratch = folder / STATE_FOLDER / "scratch"

    def write(self, path: str, content: bytes) -> None:
        """Write a file whole or not at all.

        Raises:
            CorpusError: the disk is full or cannot be written.
        """
        try:
            write_atomically(self.folder / path, content)
        except OSError as error:
            raise _no_room(self.folder, error) from None

    def finished(self, kind: str, name: str, key: str, sources: tuple[_Source, ...]) -> _Finished | None:
        """What was made in an earlier call, where nothing has changed since; else it is removed.

        Raises:
            CorpusError: the disk cannot be written.
        """
        try:
            content = (self.folder / self._note(kind, name)).read_bytes()
            note = msgspec.json.decode(content, type=_Finished)
        except (OSError, msgspec.MsgspecError):
            return None
        sizes = {path: _size(self.folder / path) for path in note.files}
        if (note.key, note.sources, note.files) == (key, sources, sizes):
            return note
        try:
            for path in (self._note(kind, name), *note.files):
                (self.folder / path).unlink(missing_ok=True)
        except OSError as error:
            raise _no_room(self.folder, error) from None
        return None

    def finish(self, kind: str, name: str, note: _Finished) -> None:
        """Note that something is finished."""
        self.write(self._note(kind, name), msgspec.json.encode(note))

    def remember(self, name: str, make: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        """Names that the first call found; later calls read them again."""
        path = f"{STATE_FOLDER}/{name}.json"
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode((self.folder / path).read_bytes(), type=tuple[str, ...])
        names = make()
        self.write(path, msgspec.json.encode(names))
        return names

    @staticmethod
    def _note(kind: str, name: str) -> str:
        return f"{STATE_FOLDER}/{kind}/{name}.json"


class _Work:
    """The stimuli, then the recordings: what is finished already, and the rest by several processes."""

    def __init__(
        self,
        root: Path,
        output: _Output,
        recipe: Recipe,
        workers: _Workers | None,
        on_progress: Progress | None,
        n_total: int,
    ) -> None:
        self.root = root
        self.output = output
        self.recipe = recipe
        self.workers = workers
        self.on_progress = on_progress
        self.n_total = n_total
        self.n_done = 0

    def stimuli(self, heard: dict[str, Event], features: tuple[str, ...]) -> dict[str, StimulusEntry]:
        """Make the features that are missing, and say what became of each stimulus."""
        entries: dict[str, StimulusEntry] = {}
        todo: dict[str, tuple[Any, ...]] = {}
        for name, event in heard.items():
            given = _given_features(self.root, name, features)
            paths = [event.audio] if event.audio is not None else list(given.values())
            sources = _sources(self.root, paths)
            key = _key({"features": features})
            note = self.output.finished("stimuli", name, key, sources)
            if note is not None and note.stimulus is not None:
                entries[name] = note.stimulus
            elif event.audio is not None or len(given) == len(features):
                todo[name] = (event.audio, given, features, key, sources)
            else:
                missing = [feature for feature in features if feature not in given]
                entries[name] = StimulusEntry(
                    stimulus=name,
                    outcome="failed",
                    reasons=(
                        f"no audio below {STIMULI}/, and no {' or '.join(missing)} in"
                        f" {' or '.join(_GIVEN_FEATURES)}.",
                    ),
                )
        self._say(len(entries), "")
        tasks = {name: (_features, (audio, given, names)) for name, (audio, given, names, *_) in todo.items()}
        for name, made in self._made(tasks):
            *_, key, sources = todo[name]
            entries[name] = self._write_stimulus(name, made, key, sources)
            self._say(1, name)
        return entries

    def recordings(
        self, planned: list[_Planned], stimuli: dict[str, StimulusEntry]
    ) -> dict[str, RecordingEntry]:
        """Preprocess the recordings that are missing, and say what became of each."""
        entries: dict[str, RecordingEntry] = {}
        todo: dict[str, tuple[_Planned, str, tuple[_Source, ...]]] = {}
        tasks: dict[str, tuple[Callable[..., RecordingResult], tuple[Any, ...]]] = {}
        channels = self._expected_channels(planned)
        for one in planned:
            name = one.recording.name
            broken = [event.stimulus for event in one.events if stimuli[event.stimulus].outcome == "failed"]
            if broken:
                reasons = tuple(f"stimulus {stimulus} failed." for stimulus in broken)
                entries[name] = RecordingEntry(recording=name, outcome="failed", reasons=reasons)
                continue
            durations = {event.stimulus: stimuli[event.stimulus].seconds for event in one.events}
            audio_seconds = {name: known for name, known in durations.items() if known is not None}
            key = _key({"recipe": self.recipe.sha256, "channels": channels, "audio_seconds": audio_seconds})
            sources = _recording_sources(self.root, one)
            note = self.output.finished("recordings", name, key, sources)
            if note is not None and note.recording is not None:
                entries[name] = note.recording
                continue
            todo[name] = (one, key, sources)
            arguments = (self.root, one, self.recipe, self.output.scratch, channels, audio_seconds)
            tasks[name] = (_recording, arguments)
        self._say(len(entries), "")
        for name, made in self._made(tasks):
            planned_one, key, sources = todo[name]
            entries[name] = self._write_recording(planned_one, made, key, sources)
            self._say(1, name)
        return entries

    def _expected_channels(self, planned: list[_Planned]) -> tuple[str, ...]:
        """Where the recipe names no channels: those of the first recording that can be read."""
        if self.recipe.channels.names:
            return ()

        def first() -> tuple[str, ...]:
            for one in planned:
                with contextlib.suppress(HarnessError):
                    channels = read_channels(self.root, one.recording)
                    with opened(one.recording.path, self.output.scratch, channels) as raw:
                        return raw.eeg_names
            return ()

        return self.output.remember("channels", first) if planned else ()

    def _write_stimulus(
        self, name: str, made: MadeFeatures | _Failed, key: str, sources: tuple[_Source, ...]
    ) -> StimulusEntry:
        if isinstance(made, _Failed):
            return StimulusEntry(stimulus=name, outcome="failed", reasons=made.reasons)
        files = {
            f"{FEATURE_FOLDER}/{name}{SEPARATOR}{feature}.npy": _npy(values)
            for feature, values in made.features.items()
        }
        entry = StimulusEntry(
            stimulus=name,
            outcome="prepared",
            seconds=made.seconds,
            frames={feature: len(values) for feature, values in made.features.items()},
            remarks=made.remarks,
        )
        for path, content in files.items():
            self.output.write(path, content)
        sizes = {path: len(content) for path, content in files.items()}
        self.output.finish("stimuli", name, _Finished(key=key, sources=sources, files=sizes, stimulus=entry))
        return entry

    def _write_recording(
        self, one: _Planned, made: RecordingResult | _Failed, key: str, sources: tuple[_Source, ...]
    ) -> RecordingEntry:
        name = one.recording.name
        if isinstance(made, _Failed):
            return RecordingEntry(recording=name, outcome="failed", reasons=made.reasons)
        files = [one.recording.output(stimulus.stimulus) for stimulus in made.stimuli]
        contents = {
            f"{EEG_FOLDER}/{file}": _npy(stimulus.eeg)
            for file, stimulus in zip(files, made.stimuli, strict=True)
        }
        for path, content in contents.items():
            self.output.write(path, content)
        entry = reports.recording_entry(name, made, files)
        sizes = {path: len(content) for path, content in contents.items()}
        self.output.finish(
            "recordings", name, _Finished(key=key, sources=sources, files=sizes, recording=entry)
        )
        return entry

    def _made(
        self, tasks: dict[str, tuple[Callable[..., _T], tuple[Any, ...]]]
    ) -> Iterator[tuple[str, _T | _Failed]]:
        """Results as they are made, by name."""
        try:
            if self.workers is None:
                for name, (function, arguments) in tasks.items():
                    self._say(0, name)
                    yield name, _attempt(function, arguments)
            else:
                yield from self.workers.results(tasks)
        except OSError as error:
            raise _no_room(self.output.folder, error) from None

    def _say(self, n_more: int, note: str) -> None:
        self.n_done += n_more
        if self.on_progress is not None:
            self.on_progress(self.n_done, self.n_total, note)


class _Workers:
    """Processes that are started when there is something to do, and ended with the call.

    Args:
        jobs: how many.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._executor: Any = None

    def results(
        self, tasks: dict[str, tuple[Callable[..., _T], tuple[Any, ...]]]
    ) -> Iterator[tuple[str, _T | _Failed]]:
        """Results as they are made, by name.

        Raises:
            CorpusError: a process was ended from outside.
            OSError: the disk is full.
        """
        from concurrent.futures import as_completed

        from joblib.externals.loky import get_reusable_executor
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        if not tasks:
            return
        if self._executor is None:
            self._executor = get_reusable_executor(
                max_workers=self.jobs, initializer=_leave_interrupts_to_the_parent
            )
        futures = {self._executor.submit(_attempt, *task): name for name, task in tasks.items()}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except TerminatedWorkerError:
            raise CorpusError(
                Fault(
                    f"--jobs {self.jobs}",
                    "a process was ended from outside, most likely for its memory",
                    remedy="Call again with fewer jobs: what is finished is kept.",
                )
            ) from None

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=True)


def _attempt(function: Callable[..., _T], arguments: tuple[Any, ...]) -> _T | _Failed:
    """A result, or why there is none. One thread: the bytes do not depend on how many there are.

    Raises:
        OSError: the disk is full, which is no fault of a recording.
    """
    from threadpoolctl import threadpool_limits

    try:
        with threadpool_limits(1):
            return function(*arguments)
    except HarnessError as error:
        return _Failed(tuple(str(fault) for fault in error.faults))
    except MemoryError:
        return _Failed(("Not enough memory: fewer --jobs, or a machine with more.",))
    except OSError as error:
        if error.errno in _FULL:
            raise
        return _Failed((f"{error.filename or 'a file'}: {error.strerror or error}.",))
    except Exception as error:  # one recording out of hundreds must not end the others
        return _Failed((f"{type(error).__name__}: {error}. This is a fault of the harness: report it.",))


def _features(audio: Path | None, given: dict[str, Path], names: tuple[str, ...]) -> MadeFeatures:
    """Features from audio, or as they are given where there is none."""
    if audio is not None:
        return make_features(audio, names)
    remarks = (f"no audio: {', '.join(given)} copied as they are",)
    features = {name: open_npy(path).mapped().astype(np.float32) for name, path in given.items()}
    return MadeFeatures(None, features, remarks)


def _recording(
    root: Path,
    planned: _Planned,
    recipe: Recipe,
    scratch: Path,
    expected_channels: tuple[str, ...],
    audio_seconds: dict[str, float],
) -> RecordingResult:
    return process(
        planned.recording.path,
        recipe,
        planned.events,
        scratch,
        channels=read_channels(root, planned.recording),
        expected_channels=expected_channels,
        audio_seconds=audio_seconds,
    )


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _planned(
    root: Path, recordings: Sequence[RawRecording]
) -> tuple[list[_Planned], dict[str, RecordingEntry]]:
    """Recordings with a stimulus, and the entries of those without or with a broken events.tsv."""
    planned, entries = [], {}
    for one in recordings:
        try:
            events = read_events(root, one)
        except HarnessError as error:
            reasons = tuple(str(fault) for fault in error.faults)
            entries[one.name] = RecordingEntry(recording=one.name, outcome="failed", reasons=reasons)
            continue
        if events:
            planned.append(_Planned(one, tuple(events)))
        else:
            reason = ("events.tsv names no stimulus.",)
            entries[one.name] = RecordingEntry(recording=one.name, outcome="skipped", reasons=reason)
    return planned, entries


def _clashes(planned: Sequence[_Planned]) -> dict[str, RecordingEntry]:
    """Entries of recordings that fail, since a stimulus or an output of theirs has the name of another."""
    failed: dict[str, RecordingEntry] = {}
    heard: dict[str, Event] = {}
    written: dict[str, str] = {}
    for one in planned:
        name = one.recording.name
        reasons = [
            f"{event.audio}: another file than {heard[event.stimulus].audio}, of the same name. Rename one."
            for event in one.events
            if event.stimulus in heard and heard[event.stimulus].audio != event.audio
        ]
        outputs = [one.recording.output(event.stimulus) for event in one.events]
        reasons += [f"{path} is made of {written[path]} already." for path in outputs if path in written]
        if reasons:
            failed[name] = RecordingEntry(recording=name, outcome="failed", reasons=tuple(reasons))
            continue
        written |= dict.fromkeys(outputs, name)
        heard |= {event.stimulus: event for event in one.events}
    return failed


def _given_features(root: Path, stimulus: str, names: tuple[str, ...]) -> dict[str, Path]:
    """Feature files that lie in the BIDS folder already, with the number of bands that their name has."""
    given: dict[str, Path] = {}
    for name in names:
        for folder in _GIVEN_FEATURES:
            path = root / folder / f"{stimulus}{SEPARATOR}{name}.npy"
            if _n_bands(path) == DEFINITIONS[name].n_bands:
                given.setdefault(name, path)
    return given


def _n_bands(path: Path) -> int:
    """Bands of a feature file; 0 where there is none."""
    try:
        return open_npy(path).shape[1]
    except CorpusError:
        return 0


def _recording_sources(root: Path, planned: _Planned) -> tuple[_Source, ...]:
    recording = planned.recording
    paths = [recording.path]
    plain = recording.path.with_suffix("") if recording.path.suffix == ".gz" else recording.path
    for suffix in COMPANIONS.get(plain.suffix, ()):
        paths += [plain.with_suffix(suffix), plain.with_suffix(f"{suffix}.gz")]
    sidecars = [sidecar(root, recording, kind) for kind in ("events", "channels")]
    paths += [path for path in sidecars if path is not None]
    paths += [event.track for event in planned.events if event.track is not None]
    return _sources(root, [path for path in paths if path.exists()])


def _sources(root: Path, paths: Sequence[Path]) -> tuple[_Source, ...]:
    sources = []
    for path in paths:
        status = path.stat()
        sources.append(_Source(str(path.relative_to(root)), status.st_size, status.st_mtime_ns))
    return tuple(sources)


def _key(facts: dict[str, Any]) -> str:
    encoded = msgspec.json.encode({"version": VERSION, **facts}, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()


@contextlib.contextmanager
def _output(folder: Path, recipe: Recipe) -> Iterator[_Output]:
    """The folder, locked, with the recipe in it; scratch files are gone at the end.

    Raises:
        CorpusError: it holds something else, or another process makes it.
    """
    state = folder / STATE_FOLDER
    if folder.exists() and not folder.is_dir():
        raise CorpusError(Fault(str(folder), "a file", "a folder for the corpus"))
    if not state.is_dir() and (folder / EEG_FOLDER).exists():
        raise CorpusError(
            Fault(
                str(folder / EEG_FOLDER),
                "EEG that this command did not make",
                "no folder, an empty one, or one of an earlier call",
                "Choose another folder; nothing was touched.",
            )
        )
    output = _Output(folder)
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / "lock").open("a")
    except OSError as error:
        raise _no_room(folder, error) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CorpusError(
                Fault(str(folder), "another process is preparing it", "one at a time")
            ) from None
        except OSError:
            pass  # some network disks have no locks
        _check_recipe(folder, recipe)
        output.write(RECIPE_FILE, recipe.content)
        shutil.rmtree(output.scratch, ignore_errors=True)
        output.scratch.mkdir()
        try:
            yield output
        finally:
            shutil.rmtree(output.scratch, ignore_errors=True)


def _check_recipe(folder: Path, recipe: Recipe) -> None:
    path = folder / RECIPE_FILE
    if not path.exists():
        return
    arrived = hashlib.sha256(path.read_bytes()).hexdigest()
    if arrived != recipe.sha256:
        raise CorpusError(
            Fault(
                str(path),
                f"another recipe (sha256 {arrived[:12]})",
                f"the recipe {recipe.name} (sha256 {recipe.sha256[:12]})",
                "Choose another folder: recordings of two recipes do not belong into one corpus.",
            )
        )


def _no_room(folder: Path, error: OSError) -> CorpusError:
    return CorpusError(
        Fault(
            str(error.filename or folder),
            (error.strerror or str(error)).lower(),
            "room for the corpus",
            "Make room and call again: what is finished is kept, and nothing half-written is left.",
        )
    )


def _npy(array: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array, np.float32))
    return buffer.getvalue()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
