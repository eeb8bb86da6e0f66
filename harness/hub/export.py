"""The folder of a system that is uploaded to Hugging Face's hub as it is."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.boards.ranking import Ranking
from harness.errors import Fault, SubmissionError, UsageError, on_one_line, raise_all
from harness.execution.code import LITTER
from harness.files import open_regular
from harness.hub.card import MARK, model_card
from harness.hub.places import Places, places_of
from harness.hub.results import eval_results, every_eval_ever
from harness.submission.manifest import Submission, weights_faults

CARD = "README.md"
RESULTS = ".eval_results"
COMMON_FORM = f"{RESULTS}/every-eval-ever"
# The hub keeps large files apart where this says so.
_ATTRIBUTES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.npz filter=lfs diff=lfs merge=lfs -text\n"
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_MARK_BYTES = 4096


class Exported(NamedTuple):
    """What was written.

    Attributes:
        folder: for the hub.
        n_files: in it.
        n_bytes: of all of them.
        places: whose results are in it, and whose are not.
    """

    folder: Path
    n_files: int
    n_bytes: int
    places: Places


def export_hub(
    submission: Submission,
    rankings: Sequence[Ranking],
    out: Path,
    *,
    repository: str,
    datasets: Mapping[str, str] | None = None,
    source: str | None = None,
    replace: bool = False,
) -> Exported:
    """Write a submission's package, its model card, and its results in two forms.

    The same submission and records give the same bytes. From the folder, and from the hub, the package scores
    with the same code hash.

    Args:
        submission: what is exported.
        rankings: boards on which its results are looked for.
        out: a new folder.
        repository: owner/name on the hub.
        datasets: corpus -> id of its dataset on the hub; for others ``<owner>/<corpus>``.
        source: address of the repository that holds the records; None where it is not known.
        replace: write over an earlier export.

    Raises:
        UsageError: a repository or dataset that is no owner/name, or ``out`` is there.
        SubmissionError: an ensemble, or files that are missing or changed (all at once).
        OSError: the folder cannot be written.
    """
    named = {"--repository": repository, **{f"--dataset {k}": v for k, v in (datasets or {}).items()}}
    faults = [
        Fault(what, repr(on_one_line(said)), "owner/name, as the hub names it")
        for what, said in named.items()
        if not _REPOSITORY.fullmatch(said)
    ]
    raise_all(UsageError, faults)
    if submission.is_ensemble:
        raise SubmissionError(
            Fault(
                str(submission.folder),
                "an ensemble, whose members lie outside its folder",
                "a submission of its own",
                "Export each of its members.",
            )
        )
    raise_all(SubmissionError, weights_faults(submission))
    _check_out(submission, out, replace=replace)
    places = places_of(submission, rankings)
    made = {CARD: model_card(submission, places, repository), ".gitattributes": _ATTRIBUTES.encode()}
    owner = repository.partition("/")[0]
    for stem, here in places.boards():
        corpus = here[0].board.corpus
        dataset = (datasets or {}).get(corpus, f"{owner}/{corpus}")
        made[f"{RESULTS}/{stem}.yaml"] = eval_results(here, dataset, source)
        made[f"{COMMON_FORM}/{stem}.json"] = every_eval_ever(here, submission, repository)
    _write(submission, made, out)
    sizes = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
    return Exported(out, len(sizes), sum(sizes), places)


def _check_out(submission: Submission, out: Path, *, replace: bool) -> None:
    """Refuse a place that is taken by anything but an earlier export that may be replaced."""
    resolved = out.resolve()
    if resolved.is_relative_to(submission.folder) or submission.folder.is_relative_to(resolved):
        raise UsageError(Fault(str(out), "inside the submission, or around it", "a folder of its own"))
    if not out.exists() and not out.is_symlink():
        return
    if out.is_dir() and not any(out.iterdir()):
        return
    if not _is_export(out):
        raise UsageError(Fault(str(out), "is there already", "a new folder", "Choose another name."))
    if not replace:
        raise UsageError(
            Fault(str(out), "an earlier export", "a new folder", "Choose another name, or say --replace.")
        )


def _is_export(folder: Path) -> bool:
    try:
        with open_regular(folder / CARD) as file:
            return file.read(_MARK_BYTES).startswith(f"---\n{MARK}\n".encode())
    except OSError:
        return False


def _write(submission: Submission, made: Mapping[str, bytes], out: Path) -> None:
    """Write everything beside its place, then move it there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        for name, path in _package(submission).items():
            target = draft / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with open_regular(path) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file)
        for name, content in made.items():
            target = draft / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        draft.chmod(0o755)
        if out.exists():
            old = draft.with_name(f"{draft.name}.old")
            out.replace(old)
            draft.replace(out)
            shutil.rmtree(old)
        else:
            draft.replace(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _package(submission: Submission) -> dict[str, Path]:
    """Name -> path of what is exported: code, manifest, weights with their training, and licences."""
    names = {*submission.code_hashes(), *(str(Path(name)) for name in submission.listed)}
    documents = {
        path.name
        for path in submission.folder.iterdir()
        if path.is_file()
        and not path.is_symlink()
        and path.name not in (CARD, *LITTER)
        and path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE", "CITATION", "AUTHORS"))
    }
    return {name: submission.folder / name for name in sorted(names | documents)}
