"""The comment under a pull request, from data that is not trusted.

A job without permissions runs a pull request's code and leaves data; a job with permissions runs this on
them. So the data are bounded, valid against the schema ``pull-request``, and only numbers and words of the
schema reach the Markdown as they are: every other text stands in a code span, where it can be no link, no
image, no mention of a user and no HTML. Nothing heavy is imported: jsonschema is all that this needs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.conventions import SIMULATED_WORDS, labels_words
from harness.errors import Fault, RecordError, counted, raise_all
from harness.files import read_regular
from harness.schemas.documents import parse_json
from harness.schemas.validate import schema_faults

# The job that comments finds its own comment again by this.
MARKER = "<!-- eeg-speech-harness ranking -->"
MOST_BYTES = 60_000
MOST_DATA_BYTES = 5_000_000
MOST_SHOWN = 400  # characters of one remark
# How a board is ranked that does not say it.
_PEARSON_R = {"title": "Pearson r", "short": "r", "higher_is_better": True}

_MADE_BY = {
    "base": (
        "The numbers above were made by the base's code: what the pull request's submissions predicted in"
        " another job is scored here, and nothing else of that job is read."
    ),
    "own": (
        "The numbers above were made by the code that stands here: where it edits the harness, read that"
        " first."
    ),
}
_OWN_WORD = (
    "The pull request edits the harness. Nobody has verified what follows: its own code says it, and could"
    " say anything. Scores that differ from the base's:"
)


_TRAINING = {
    "verified": "verified",
    "declared": "declared",
    "tampered": "TRAINING RECORD CHANGED",
    None: "not on record",
}


class _Cut(NamedTuple):
    """How much is shown; None for all.

    Attributes:
        distance: the most places from a changed row to one that is shown.
        rows: the most rows of a board.
        remarks: the most remarks of each kind.
    """

    distance: int | None = None
    rows: int | None = None
    remarks: int | None = None


# Tried in this order until the comment is short enough; the last always is.
_CUTS = (
    _Cut(),
    *(_Cut(distance, remarks=200) for distance in (10, 3, 1, 0)),
    *(_Cut(0, rows, 20) for rows in (50, 20, 8, 2, 0)),
    _Cut(0, 0, 5),
)


def load_data(path: Path) -> dict[str, Any]:
    """Read what ``harness rank --changed-since`` wrote, trusting nothing.

    Raises:
        RecordError: missing, too large, not JSON, or not valid by its schema.
    """
    expected = "what `harness rank --changed-since REF --out FILE` writes"
    try:
        document = parse_json(read_regular(path, MOST_DATA_BYTES))
    except OSError as error:
        raise RecordError(Fault(str(path), error.strerror or "cannot be read", expected)) from None
    except ValueError as error:
        raise RecordError(Fault(str(path), f"not JSON ({error})", expected)) from None
    raise_all(RecordError, schema_faults(document, "pull-request", str(path)))
    valid: dict[str, Any] = document
    return valid


def comment_text(document: Mapping[str, Any], most_bytes: int = MOST_BYTES) -> str:
    """The comment as Markdown: remarks, then the boards, those that changed with the change in rank.

    Args:
        document: valid against the schema ``pull-request``.
        most_bytes: how long it may be; rows far from the changed ones are left out first.
    """
    text = ""
    for cut in _CUTS:
        text = _text(document, cut)
        if len(text.encode()) <= most_bytes:
            break
    return text


def score_of(row: Mapping[str, Any]) -> float:
    """A row's score by the measure that ranks its board."""
    score: float = row["value"] if "value" in row else row["pearson_r"]
    return score


@lru_cache(maxsize=4096)  # every cut shows the same texts again
def code(text: str) -> str:
    """Text of others as a code span on one line, without anything that could end it or hide in it."""
    visible = "".join(
        character if unicodedata.category(character)[0] not in "CZ" else " " for character in text
    )
    flat = " ".join(visible.replace("`", "'").replace("|", "¦").split())
    if len(flat) > MOST_SHOWN:
        flat = flat[: MOST_SHOWN - 1] + "…"
    return f"`{flat or ' '}`"


def _text(document: Mapping[str, Any], cut: _Cut) -> str:
    parts = [MARKER, f"### Boards, compared with `{document['base'][:10]}`"]
    remarks = document["remarks"]
    for title, stop in (("Must be fixed", True), ("Remarks", False)):
        own = [remark for remark in remarks if remark["stop"] is stop]
        if own:
            shown = own[: cut.remarks]
            lines = [f"**{title}**", "", *(f"- {code(remark['text'])}" for remark in shown)]
            lines += _left_out(len(own) - len(shown), "remark")
            parts.append("\n".join(lines))
    parts += [_board(board, cut) for board in document["boards"]]
    parts.append(
        "Systems that share a letter cannot be told apart, those that share none can (paired sign-flip test"
        f" over subjects, Holm). Scorer version {document['scorer_version']}. {_MADE_BY[document['code']]}"
    )
    if document["own"] is not None:
        parts.append(_own(document["own"], cut))
    return "\n\n".join(parts) + "\n"


def _own(own: Mapping[str, Any], cut: _Cut) -> str:
    """What a pull request's own harness says, marked as such."""
    lines = ["#### The word of the pull request's own code", "", _OWN_WORD]
    shown = own["remarks"][: 20 if cut.remarks is None else min(cut.remarks, 20)]
    lines += ["", *(f"- {code(remark['text'])}" for remark in shown)] if shown else []
    lines += _left_out(len(own["remarks"]) - len(shown), "remark")
    for board in own["boards"]:
        rows = board["rows"][: cut.rows]
        lines += [
            "",
            f"{board['corpus']}, split {board['split']}, part {board['part']}, feature {board['feature']}"
            f"{_ranked_by(board)}:",
        ]
        short = _measures(board)[0]["short"]
        cells = [
            (
                code(row["system"]),
                "" if row["base"] is None else f"{row['base']:.4f}",
                f"{score_of(row):.4f}",
            )
            for row in rows
        ]
        table = [
            ("system", f"mean {short}, the base's code", f"mean {short}, its own word"),
            ("---",) * 3,
            *cells,
        ]
        lines += ["", *(f"| {' | '.join(row)} |" for row in table)] if rows else []
        lines += _left_out(len(board["rows"]) - len(rows), "row")
    if not own["boards"]:
        lines += ["", "It moves no score."]
    return "\n".join(lines)


def _board(board: Mapping[str, Any], cut: _Cut) -> str:
    corpus = SIMULATED_WORDS if board["simulated"] else board["corpus"]
    n_rows = len(board["rows"])
    sizes = [counted(number, what) for number, what in ((n_rows, "system"), (board["subjects"], "subject"))]
    title = (
        f"**{corpus}, split {board['split']}, part {board['part']}, feature {board['feature']}"
        f"{_ranked_by(board)}: {', '.join(sizes)}**"
    )
    if not (any(map(_changed, board["rows"])) or board["gone"] or board["partial"]):
        return f"{title} as before."
    rows = _kept(board["rows"], cut)
    lines = [title]
    if rows:
        first, *further = (f"mean {measure['short']}" for measure in _measures(board))
        headers = ["rank", "change", "ties", "system", first, "95 % interval", "chance", "without the EEG"]
        unseen = any("on_unseen" in row for row in board["rows"])
        training = any("training" in row for row in rows)
        headers += [*further, *(["on unseen"] if unseen else []), *(["training"] if training else []), "how"]
        table = [headers, ["---"] * len(headers)]
        table += [_cells(row, len(further), unseen=unseen, training=training) for row in rows]
        lines += ["", *(f"| {' | '.join(cells)} |" for cells in table)]
    lines += _left_out(n_rows - len(rows), "row")
    lines += ["", labels_words(simulated=board["simulated"], held_back="held_back" in board)]
    for words, systems in (("No longer ranked", board["gone"]), ("Not ranked, partial", board["partial"])):
        shown = systems[: 20 if cut.rows is None else cut.rows]
        if systems:
            more = f" and {len(systems) - len(shown)} more" if len(systems) > len(shown) else ""
            lines += ["", f"{words}: {', '.join(map(code, shown))}{more}."]
    return "\n".join(lines)


def _measures(board: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What a board is scored by; the first ranks."""
    measures: Sequence[Mapping[str, Any]] = board.get("measures", (_PEARSON_R,))
    return measures


def _ranked_by(board: Mapping[str, Any]) -> str:
    """By what a board is ranked, and on which stimuli, where that needs to be said."""
    by = _by_measure(board)
    return f"{by or ', ranked'} on unseen stimuli" if "by_unseen" in board else by


def _by_measure(board: Mapping[str, Any]) -> str:
    """What a board is ranked by, in words; empty for Pearson r alone."""
    if "measures" not in board:
        return ""
    first = board["measures"][0]
    return f", ranked by {first['title']}" + ("" if first["higher_is_better"] else " (lower is better)")


def _kept(rows: Sequence[Mapping[str, Any]], cut: _Cut) -> list[Mapping[str, Any]]:
    if cut.distance is None:
        return list(rows)
    changed = [index for index, row in enumerate(rows) if _changed(row)]
    near = {
        index
        for centre in changed
        for index in range(max(centre - cut.distance, 0), min(centre + cut.distance + 1, len(rows)))
    }
    return [rows[index] for index in sorted(near)][: cut.rows]


def _changed(row: Mapping[str, Any]) -> bool:
    return row["how"] == "scored now" or row["event"] is not None


def _cells(row: Mapping[str, Any], n_further: int, *, unseen: bool, training: bool) -> list[str]:
    before = row["before"]
    low, high = row["rank_low"], row["rank_high"]
    score = f"{score_of(row):.4f}"
    ties = row["ties"]
    if before is not None:
        if "value" in before or "pearson_r" in before:
            difference = score_of(row) - score_of(before)
            score += f" ({difference:+.4f})" if abs(difference) >= 0.00005 else ""
        ties = f"{before['ties']} → {ties}" if before["ties"] != ties else ties
    further = ["" if value is None else f"{value:.4f}" for value in row.get("further", ())][:n_further]
    how = row["how"] if row["event"] is None else f"{row['how']}, {row['event']}"
    return [
        (f"{row['rank']}" if low == high else f"{row['rank']} ({low} to {high})")
        + (", below the line" if row.get("without_eeg", {}).get("flags") else ""),
        _change(row),
        ties,
        code(row["system"]),
        score,
        _span(row["ci95"]),
        row.get("chance_words", _span(row["chance"])) + (" (common to segments)" if "common" in row else ""),
        _without_eeg(row),
        *further,
        *[""] * (n_further - len(further)),
        *([f"{row['on_unseen']:.4f}" if "on_unseen" in row else ""] if unseen else []),
        *([_TRAINING[row.get("training")]] if training else []),
        how,
    ]


def _span(ends: Sequence[float] | None) -> str:
    return "" if ends is None else "{:.4f} to {:.4f}".format(*ends)


def _without_eeg(row: Mapping[str, Any]) -> str:
    """What a system scores without the EEG, and what a control warns of."""
    if "without_eeg" not in row:
        return "not measured"
    value, flags = row["without_eeg"]["value"], row["without_eeg"]["flags"]
    return f"{value:.4f} ({', '.join(flags)})" if flags else f"{value:.4f}"


def _change(row: Mapping[str, Any]) -> str:
    if row["before"] is None:
        return "new"
    places = row["before"]["rank"] - row["rank"]
    return "=" if places == 0 else f"▲{places}" if places > 0 else f"▼{-places}"


def _left_out(number: int, what: str) -> list[str]:
    if number <= 0:
        return []
    return ["", f"*{counted(number, what)} left out here; the run's artifact has all.*"]
