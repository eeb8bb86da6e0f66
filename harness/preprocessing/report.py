"""What became of every recording and stimulus: a typed value, its JSON, and its text.

The report says nothing of time, host or absolute paths: the same recordings and the same recipe give the same
bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from harness.errors import counted, shorten, some_of
from harness.preprocessing.process import RecordingResult, StimulusFacts

NAME: Final = "prepare-report"
Outcome = Literal["prepared", "skipped", "failed"]


class StimulusHeard(StimulusFacts, frozen=True, kw_only=True):
    """EEG for one stimulus, in a file.

    Attributes:
        file: relative to the folder of all preprocessed EEG.
    """

    file: str


class RecordingEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One recording, as in `harness.preprocessing.process.RecordingResult`.

    Attributes:
        recording: the file's name without suffixes.
        outcome: skipped where nothing was heard.
        reasons: why it was skipped or failed.
    """

    recording: str
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    seconds: float | None = None
    rate_hz: float | None = None
    channels: tuple[str, ...] = ()
    dropped_channels: tuple[str, ...] = ()
    bad_channels: dict[str, str] = {}
    peak_share: float = 0.0
    artefact_share: float | None = None
    stimuli: tuple[StimulusHeard, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.recording


class StimulusEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Features of one stimulus.

    Attributes:
        stimulus: its name.
        outcome: prepared or failed.
        reasons: why it failed.
        seconds: of the audio; None where features were there and no audio.
        frames: feature -> how many frames it has.
        remarks: what is odd.
    """

    stimulus: str
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    seconds: float | None = None
    frames: dict[str, int] = {}
    remarks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"stimulus {self.stimulus}"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a BIDS folder.

    Attributes:
        recipe: its name.
        recipe_sha256: of its file.
        version: of the code that applies recipes.
        recordings: in natural order.
        stimuli: by name.
        remarks: files that were passed over.
    """

    recipe: str
    recipe_sha256: str
    version: int
    recordings: tuple[RecordingEntry, ...]
    stimuli: tuple[StimulusEntry, ...]
    remarks: tuple[str, ...] = ()

    @property
    def failed(self) -> list[RecordingEntry | StimulusEntry]:
        """Stimuli and recordings that failed."""
        entries: list[RecordingEntry | StimulusEntry] = [*self.stimuli, *self.recordings]
        return [entry for entry in entries if entry.outcome == "failed"]

    def count(self, outcome: Outcome) -> int:
        """How many recordings had an outcome."""
        return sum(entry.outcome == outcome for entry in self.recordings)


def recording_entry(name: str, result: RecordingResult, files: Sequence[str]) -> RecordingEntry:
    """The entry of a recording that was prepared; ``files`` has one path a stimulus."""
    heard = tuple(
        StimulusHeard(
            **{name: getattr(one, name) for name in StimulusFacts.__struct_fields__ if name != "drift_ppm"},
            drift_ppm=None if one.drift_ppm is None else round(one.drift_ppm, 2),
            file=file,
        )
        for one, file in zip(result.stimuli, files, strict=True)
    )
    return RecordingEntry(
        recording=name,
        outcome="prepared",
        seconds=round(result.seconds, 3),
        rate_hz=result.rate_hz,
        channels=result.channels,
        dropped_channels=result.dropped_channels,
        bad_channels=dict(result.bad_channels),
        peak_share=round(result.peak_share, 6),
        artefact_share=None if result.artefact_share is None else round(result.artefact_share, 6),
        stimuli=heard,
        remarks=result.remarks,
    )


def relative(report: Report, root: Path, scratch: Path) -> Report:
    """A report whose texts name files as they lie below the BIDS folder, also those that were unpacked."""
    unpacked = [f"{re.escape(form)}/[^/]+/" for form in _forms(scratch)]
    below = [f"{re.escape(form)}/" for form in _forms(root)]
    folders = re.compile(r"(?<![\w./-])(" + "|".join([*unpacked, *below]) + ")")

    def texts(given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(folders.sub("", text) for text in given)

    return msgspec.structs.replace(
        report,
        recordings=tuple(
            msgspec.structs.replace(
                entry,
                reasons=texts(entry.reasons),
                remarks=texts(entry.remarks),
                stimuli=tuple(
                    msgspec.structs.replace(heard, remarks=texts(heard.remarks)) for heard in entry.stimuli
                ),
            )
            for entry in report.recordings
        ),
        stimuli=tuple(
            msgspec.structs.replace(entry, reasons=texts(entry.reasons), remarks=texts(entry.remarks))
            for entry in report.stimuli
        ),
        remarks=texts(report.remarks),
    )


def _forms(folder: Path) -> list[str]:
    """How messages may call a folder, the longest first; not the working folder, which they leave out."""
    forms = {str(folder), str(folder.absolute()), str(folder.resolve())} - {"."}
    return sorted(forms, key=len, reverse=True)


def report_json(report: Report) -> bytes:
    """The report as JSON, one key a line."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def read_report(path: Path) -> Report:
    """The report of a folder that was prepared."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


def summary(report: Report) -> str:
    """The report in one line."""
    n_stimuli = sum(entry.outcome == "prepared" for entry in report.stimuli)
    line = (
        f"{some_of(report.count('prepared'), len(report.recordings), 'recording')} and"
        f" {some_of(n_stimuli, len(report.stimuli), 'stimulus', several='stimuli')}"
        f" prepared by the recipe {report.recipe} ({report.recipe_sha256[:12]})"
    )
    if skipped := report.count("skipped"):
        line += f", {counted(skipped, 'recording')} without a stimulus skipped"
    if report.failed:
        line += f", {len(report.failed)} failed"
    return line


def report_text(report: Report) -> str:
    """The report for a reader: a line a stimulus heard, then what failed, was skipped, or is odd."""
    from tabulate import tabulate

    rows = [
        (
            entry.recording,
            heard.stimulus,
            f"{heard.seconds:.1f}",
            "" if heard.triggers_expected is None else f"{heard.triggers_found} of {heard.triggers_expected}",
            "" if heard.drift_ppm is None else f"{heard.drift_ppm:.1f}",
            f"{entry.peak_share:.2%}",
            "" if entry.artefact_share is None else f"{entry.artefact_share:.1%}",
            shorten(list(entry.bad_channels), 3),
        )
        for entry in report.recordings
        for heard in entry.stimuli
    ]
    headers = ("recording", "stimulus", "s", "triggers", "drift ppm", "peaks", "artefact", "bad channels")
    parts = [summary(report), tabulate(rows, headers=headers, disable_numparse=True)]
    for title, lines in (
        ("failed", [f"{entry.label}: {' '.join(entry.reasons)}" for entry in report.failed]),
        (
            "skipped",
            [f"{e.recording}: {' '.join(e.reasons)}" for e in report.recordings if e.outcome == "skipped"],
        ),
        (
            "bad channels, left as they are",
            [_bad(entry) for entry in report.recordings if entry.bad_channels],
        ),
        ("remarks", _remarks(report)),
    ):
        if lines:
            parts.append("\n".join([f"{title}:", *(f"  {line}" for line in lines)]))
    return "\n\n".join(parts) + "\n"


def _bad(entry: RecordingEntry) -> str:
    return f"{entry.recording}: " + ", ".join(f"{name} {why}" for name, why in entry.bad_channels.items())


def _remarks(report: Report) -> list[str]:
    lines = list(report.remarks)
    for stimulus in report.stimuli:
        lines += [f"stimulus {stimulus.stimulus}: {remark}" for remark in stimulus.remarks]
    for entry in report.recordings:
        lines += [f"{entry.recording}: {remark}" for remark in entry.remarks]
        lines += [
            f"{entry.recording}: {heard.stimulus}: {r}" for heard in entry.stimuli for r in heard.remarks
        ]
        if entry.dropped_channels:
            dropped = shorten(entry.dropped_channels)
            lines.append(
                f"{entry.recording}: {len(entry.dropped_channels)} EEG channels not taken: {dropped}"
            )
    return lines
