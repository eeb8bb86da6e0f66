"""The page of one submission: its score, subject by subject and band by band; or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from harness.errors import counted
from harness.scoring.measures import DEFAULT

if TYPE_CHECKING:
    from harness.records.record import Record

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:46em;padding:0 1em;color:#111;"
    "background:#fff}table{border-collapse:collapse}th,td{padding:.2em .8em;text-align:right;"
    "border-bottom:1px solid #ccc}th:first-child,td:first-child{text-align:left}"
)


def results_html(record: Record) -> str:
    """The score of a record, for whoever handed in."""
    names = record.split.measures or (DEFAULT,)
    body = []
    for name in names:
        by = record.by(name)
        words = f"<p>{escape(by.measure.heading)} <b>{by.value:.4f}</b>"
        if by.ci95 is not None:
            over = counted(len(by.subjects), "subject")
            words += f", 95 % interval {by.ci95[0]:.4f} to {by.ci95[1]:.4f} over {over}"
        if by.chance is not None:
            words += f"; by chance {by.chance[0]:.4f} to {by.chance[1]:.4f}"
        body.append(words + ".</p>")
    results = record.subjects
    rows = [
        [
            subject,
            *(f"{record.by(name).subjects[subject]:.4f}" for name in names),
            str(results[subject].segments),
        ]
        for subject in results
    ]
    body.append("<h2>Subjects</h2>")
    body.append(_table(["subject", *(record.by(name).measure.title for name in names), "segments"], rows))
    body.append("<h2>Pearson r of each band</h2>")
    bands = [[str(number), f"{value:.4f}"] for number, value in enumerate(record.bands, 1)]
    body.append(_table(["band", "Pearson r"], bands))
    if record.flags.segments_constant:
        body.append(
            f"<p>Segments with a constant prediction, which counts 0: {record.flags.segments_constant}.</p>"
        )
    return _page(f"{record.feature}, {record.split.part} of {record.split.name}", body)


def refused_html(lines: Sequence[str]) -> str:
    """Why there is no score."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines[1:])
    return _page("Not scored", [f"<p>{escape(lines[0])}</p>", f"<ul>{items}</ul>" if items else ""])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{lines}</tbody></table>"


def _page(title: str, body: Sequence[str]) -> str:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )
