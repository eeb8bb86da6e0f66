"""``harness new``: a submission that works, to start from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from harness.conventions import quoted
from harness.errors import Fault, SubmissionError
from harness.schemas.validate import schema

TEMPLATE_FOLDER = Path(__file__).parent / "template"


def make_submission(folder: Path) -> None:
    """Copy the template into a new folder; the folder's name becomes the system's.

    Raises:
        SubmissionError: the folder exists, or its name cannot name a system.
    """
    name = folder.resolve().name
    pattern = schema("submission")["properties"]["name"]["pattern"]
    if not re.fullmatch(pattern, name):
        better = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "my-model"
        raise SubmissionError(
            Fault(
                str(folder),
                f"the name {name!r}",
                "lower-case words joined by hyphens",
                f"For example: harness new {quoted(folder.parent / better)}",
            )
        )
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise SubmissionError(Fault(str(folder), "there already", "a new folder", "Choose another name."))
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        for source in sorted(TEMPLATE_FOLDER.iterdir()):
            if source.is_file():
                text = source.read_text("utf-8").replace("{{name}}", name)
                (partial / source.name).write_text(text, "utf-8")
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise SubmissionError(
            Fault(str(folder), error.strerror or "cannot be made", "a folder that can be written")
        ) from None
