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
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from harness.conventions import Progress
from harness.corpus.array_files import open_npy
from harness.corpus.base import natural_key
from harness.corpus.declaration import DECLARATION
from harness.corpus.tables import STIMULI
from harness.errors import HarnessError
from harness.preprocessing import report as reports
from harness.preprocessing.bids import (
    SEPARATOR,
    Event,
    almost_audio,
    find_recordings,
    listed_seconds,
    read_channels,
)
from harness.preprocessing.declare import declaration_toml
from harness.preprocessing.output import (
    EEG_FOLDER,
    FEATURE_FOLDER,
    Finished,
    Output,
    Source,
    no_room,
    npy_bytes,
    opened_output,
)
from harness.preprocessing.plan import (
    GIVEN_FEATURES,
    Planned,
    clashes_of,
    file_sources,
    given_features,
    planned_recordings,
    recording_sources,
)
from harness.preprocessing.process import RecordingResult, process
from harness.preprocessing.read import import_mne, opened
from harness.preprocessing.recipe import Recipe
from harness.preprocessing.report import RecordingEntry, Report, StimulusEntry
from harness.preprocessing.stimuli import DEFINITIONS, MadeFeatures, make_features
from harness.preprocessing.workers import Failed, Workers, attempt

# Goes up with every change that changes a byte of what a recipe makes.
VERSION: Final = 3
_T = TypeVar("_T")


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
    with opened_output(out, recipe) as output, contextlib.ExitStack() as stack:
        workers = None
        if jobs > 1 and len(recordings) > 1:
            workers = Workers(min(jobs, len(recordings)))
            stack.callback(workers.close)
        with_stimuli, entries = planned_recordings(root, recordings)
        clashes = clashes_of(with_stimuli)
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
        report = reports.relative(report, root, output.scratch)
        _declare(root, output, recipe, report)
        output.write(f"{reports.NAME}.json", reports.report_json(report))
        output.write(f"{reports.NAME}.txt", reports.report_text(report).encode())
    return report


def _declare(root: Path, output: Output, recipe: Recipe, report: Report) -> None:
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


class _Work:
    """The stimuli, then the recordings: what is finished already, and the rest by several processes."""

    def __init__(
        self,
        root: Path,
        output: Output,
        recipe: Recipe,
        workers: Workers | None,
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
            given = given_features(self.root, name, features)
            paths = [event.audio] if event.audio is not None else list(given.values())
            sources = file_sources(self.root, paths)
            key = _key({"features": features})
            note = self.output.finished("stimuli", name, key, sources)
            if note is not None and note.stimulus is not None:
                entries[name] = note.stimulus
            elif event.audio is not None or len(given) == len(features):
                todo[name] = (event.audio, given, features, key, sources)
            else:
                missing = [feature for feature in features if feature not in given]
                near = almost_audio(self.root, name)
                entries[name] = StimulusEntry(
                    stimulus=name,
                    outcome="failed",
                    reasons=(
                        f"no audio below {STIMULI}/, and no {' or '.join(missing)} in"
                        f" {' or '.join(GIVEN_FEATURES)}."
                        + (f" There is {near}: is it meant?" if near else ""),
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
        self, planned: list[Planned], stimuli: dict[str, StimulusEntry]
    ) -> dict[str, RecordingEntry]:
        """Preprocess the recordings that are missing, and say what became of each."""
        entries: dict[str, RecordingEntry] = {}
        todo: dict[str, tuple[Planned, str, tuple[Source, ...]]] = {}
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
            sources = recording_sources(self.root, one)
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

    def _expected_channels(self, planned: list[Planned]) -> tuple[str, ...]:
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
        self, name: str, made: MadeFeatures | Failed, key: str, sources: tuple[Source, ...]
    ) -> StimulusEntry:
        if isinstance(made, Failed):
            return StimulusEntry(stimulus=name, outcome="failed", reasons=made.reasons)
        files = {
            f"{FEATURE_FOLDER}/{name}{SEPARATOR}{feature}.npy": npy_bytes(values)
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
        self.output.finish("stimuli", name, Finished(key=key, sources=sources, files=sizes, stimulus=entry))
        return entry

    def _write_recording(
        self, one: Planned, made: RecordingResult | Failed, key: str, sources: tuple[Source, ...]
    ) -> RecordingEntry:
        name = one.recording.name
        if isinstance(made, Failed):
            return RecordingEntry(recording=name, outcome="failed", reasons=made.reasons)
        files = [one.recording.output(stimulus.stimulus) for stimulus in made.stimuli]
        contents = {
            f"{EEG_FOLDER}/{file}": npy_bytes(stimulus.eeg)
            for file, stimulus in zip(files, made.stimuli, strict=True)
        }
        for path, content in contents.items():
            self.output.write(path, content)
        entry = reports.recording_entry(name, made, files)
        sizes = {path: len(content) for path, content in contents.items()}
        self.output.finish(
            "recordings", name, Finished(key=key, sources=sources, files=sizes, recording=entry)
        )
        return entry

    def _made(
        self, tasks: dict[str, tuple[Callable[..., _T], tuple[Any, ...]]]
    ) -> Iterator[tuple[str, _T | Failed]]:
        """Results as they are made, by name."""
        try:
            if self.workers is None:
                for name, (function, arguments) in tasks.items():
                    self._say(0, name)
                    yield name, attempt(function, arguments)
            else:
                yield from self.workers.results(tasks)
        except OSError as error:
            raise no_room(self.output.folder, error) from None

    def _say(self, n_more: int, note: str) -> None:
        self.n_done += n_more
        if self.on_progress is not None:
            self.on_progress(self.n_done, self.n_total, note)


def _features(audio: Path | None, given: dict[str, Path], names: tuple[str, ...]) -> MadeFeatures:
    """Features from audio, or as they are given where there is none."""
    if audio is not None:
        return make_features(audio, names)
    remarks = (f"no audio: {', '.join(given)} copied as they are",)
    features = {name: open_npy(path).mapped().astype(np.float32) for name, path in given.items()}
    return MadeFeatures(None, features, remarks)


def _recording(
    root: Path,
    planned: Planned,
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
        listed_seconds=listed_seconds(planned.recording),
    )


def _key(facts: dict[str, Any]) -> str:
    encoded = msgspec.json.encode({"version": VERSION, **facts}, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()
