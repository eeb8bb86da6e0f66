"""``harness data``: make, fetch, declare and describe corpora."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.group import cli, examples
from harness.cli.open import simulated_corpus
from harness.cli.options import audio_options, path_option
from harness.conventions import DATA_VARIABLE, quoted
from harness.errors import counted

if TYPE_CHECKING:
    from harness.corpus.base import Corpus
    from harness.corpus.declaration import Declaration


@cli.group()
def data() -> None:
    """Make, fetch, declare and describe corpora."""


@data.command(
    "simulate",
    epilog=examples(
        "harness data simulate contest --secret FILE",
        "harness data simulate twice --hours 9.4",
    ),
)
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--corpus",
    type=click.Choice(["sparrkulee", "nmed-t"]),
    default="sparrkulee",
    show_default=True,
    help="In whose layout: speech as SparrKULee's, or music as NMED-T's.",
)
@click.option("--seed", type=click.IntRange(0), help="Another seed, other data. Default: 1.")
@click.option(
    "--hours",
    type=click.FloatRange(0, min_open=True),
    help="For speech: hours of EEG in the training part, in whole recordings; other parts stay as they are."
    " Default: 4.7.",
)
@click.option(
    "--secret",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="For a contest: take the seed from the bytes of FILE, which you keep. Records then say that labels"
    " are held back.",
)
def data_simulate(
    folder: Path | None, corpus: str, seed: int | None, hours: float | None, secret: Path | None
) -> None:
    """Make a simulated corpus in DIR, in a dataset's own layout.

    Without DIR it is made where commands without --data look for it, in your cache folder.
    """
    from harness.cli.output import answer, progress, remark
    from harness.corpus.simulated.corpora import MUSIC, SPEECH, default_folder, make
    from harness.corpus.simulated.recipe import secret_seed

    if folder is None and (seed is not None or secret is not None or hours is not None):
        raise click.UsageError(
            "--seed, --secret or --hours without DIR: the cache folder holds the default recipe."
        )
    if hours is not None and corpus == "nmed-t":
        raise click.UsageError("--hours: for speech only; music has a trial of each song and listener.")
    if secret is not None and seed is not None:
        raise click.UsageError("--seed or --secret: either gives the seed.")
    name = MUSIC if corpus == "nmed-t" else SPEECH
    place = folder or default_folder(name)
    chosen = seed if secret is None else secret_seed(_secret(secret))
    with progress("simulating a corpus") as show:
        made = make(name, place, seed=chosen, hours=hours, secret=secret is not None, on_progress=show)
    answer(f"simulated corpus (no real EEG) in {place}")
    if hours is not None:
        answer(f"training part: {made:.2f} hours of EEG")
    if secret is not None:
        remark(f"Keep {place} and {secret} to yourself: either tells the labels.")


def _secret(path: Path) -> bytes:
    """The bytes of a secret's file."""
    from harness.errors import Fault, UsageError
    from harness.files import read_regular

    try:
        return read_regular(path, 1 << 20)
    except OSError as error:
        raise UsageError(
            Fault(f"--secret {path}", error.strerror or "cannot be read", "a file of secret bytes")
        ) from None


@data.command(
    "fetch",
    epilog=examples(
        "harness data fetch dtu dtu-corpus --subjects S1,S9",
        "harness data fetch sparrkulee sparrkulee-bids --subjects sub-001,sub-002",
    ),
)
@click.argument("name", metavar="CORPUS")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--subjects", metavar="LIST", help="Only these, e.g. S1,S9. Default: all with a known sha256.")
@click.option("--sessions", metavar="LIST", help="For an archive of raw recordings: only these sessions.")
@click.option(
    "--unverified",
    is_flag=True,
    help="Also fetch subjects whose files have no sha256 on record.",
)
@click.option("--url", metavar="URL", help="Another place that serves the same files.")
def data_fetch(
    name: str,
    folder: Path,
    subjects: str | None,
    sessions: str | None,
    unverified: bool,
    url: str | None,
) -> None:
    """Fetch CORPUS into DIR, file by file, each checked; a second call goes on.

    CORPUS is one that comes with the harness and may be fetched: dtu; sparrkulee, whose raw recordings an
    open archive holds (needs the extra raw, and `harness data prepare` afterwards); or a corpus.toml with a
    table fetch.
    """
    from harness.cli.output import answer, progress, remark
    from harness.corpus.archive import ArchiveFetched, fetch_archive
    from harness.corpus.fetch import Fetched, fetch_corpus

    declaration = _to_fetch(name)
    chosen, these = (
        None if text is None else tuple(text.replace(" ", "").split(",")) for text in (subjects, sessions)
    )
    is_archive = declaration.fetch is not None and "nemar" in declaration.fetch
    if sessions is not None and not is_archive:
        raise click.UsageError("--sessions: for an archive of raw recordings, such as sparrkulee's.")
    if unverified and is_archive:
        raise click.UsageError("--unverified: the archive lists a hash or a size for every file.")
    fetched: Fetched | ArchiveFetched
    with progress(f"fetching {name}") as show:
        if is_archive:
            fetched = fetch_archive(
                declaration, folder, subjects=chosen, sessions=these, url=url, on_progress=show
            )
        else:
            fetched = fetch_corpus(
                declaration, folder, subjects=chosen, unverified=unverified, url=url, on_progress=show
            )
    answer(f"{counted(fetched.downloaded, 'file')} fetched, {fetched.present} there already, in {folder}")
    for line in fetched.remarks:
        remark(line)


def _to_fetch(name: str) -> Declaration:
    """The declaration of a corpus that may be fetched."""
    from harness.corpus.declaration import DECLARATION, declared, declared_names, load_declaration
    from harness.errors import Fault, UsageError, did_you_mean

    path = Path(name)
    found = load_declaration(path.parent) if path.name == DECLARATION else declared(name)
    if found is None or found.fetch is None:
        shipped = {one: declared(one) for one in declared_names()}
        known = [one for one, what in shipped.items() if what is not None and what.fetch is not None]
        raise UsageError(
            Fault(
                "CORPUS",
                f"{name!r}, which nobody may fetch" if found else repr(name),
                f"one of {', '.join(known)}, or a {DECLARATION} with a table fetch",
                did_you_mean(name, known),
            )
        )
    return found


@data.command("declare", epilog=examples("harness data declare DIR --out DIR/corpus.toml"))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@path_option(
    "--out",
    "FILE",
    "Write the draft there, e.g. DIR/corpus.toml; a file that is there is never overwritten.",
)
def data_declare(folder: Path, out: Path | None) -> None:
    """Draft a corpus.toml from the arrays in DIR; every guess is marked, for you to check."""
    from harness.cli.output import answer, remark
    from harness.corpus.draft import draft_declaration, write_draft

    text = draft_declaration(folder)
    if out is None:
        click.echo(text, nl=False)
        return
    write_draft(out, text)
    answer(f"draft written to {out}")
    remark(f"next: check every line marked as guessed; then harness data describe {quoted(folder)}")


@data.command("describe", epilog=examples("harness data describe DIR"))
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--split",
    metavar="FILE",
    help="A split file whose parts are counted too, beside the corpus's own and those of splits/.",
)
@audio_options
@click.option(
    "--quality",
    is_flag=True,
    help="Read all EEG, and say what is wrong with it: channels, numbers, lengths, alignment.",
)
@click.option("--feature", metavar="NAME", help="With --quality: against which alignment is looked for.")
@click.option(
    "--pictures",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="With --quality: write a picture (.png) of each recording there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the description as JSON.")
def data_describe(
    folder: Path | None,
    split: str | None,
    quality: bool,
    feature: str | None,
    pictures: Path | None,
    as_json: bool,
) -> None:
    """Say what corpus lies in DIR: subjects, minutes, labels by split and part, what is broken.

    What --quality finds is no fault, and nothing is mended: it is for you to look at.
    """
    import json

    from harness.cli.open import audio_choice
    from harness.cli.output import answer, progress
    from harness.corpus import open_corpus
    from harness.corpus.locate import layouts
    from harness.tasks.corpus_split import split_folders
    from harness.tasks.describe import describe, description_text
    from harness.tasks.splits import load_split

    given = folder or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    chosen = given or simulated_corpus(load_split(split).corpora if split else ())
    with progress("reading the corpus") as show:
        corpus = open_corpus(chosen, audio=audio_choice(), on_progress=show)
    asked = [load_split(split, split_folders(corpus.declaration))] if split else []
    if not quality and (feature or pictures):
        raise click.UsageError("--feature and --pictures are for --quality.")
    description = describe(corpus, layouts(chosen), asked)
    if not as_json:
        answer(description_text(description))
    if quality:
        text = _quality(corpus, feature, pictures, description)
        if not as_json:
            answer(f"\n{text}")
    if as_json:
        answer(json.dumps(description, indent=1))
    if description["faults"]:
        sys.exit(1)


def _quality(corpus: Corpus, feature: str | None, pictures: Path | None, description: dict[str, Any]) -> str:
    """What is wrong with the EEG of a corpus, in words; the description gets it as values."""
    from harness.cli.output import progress, remark
    from harness.errors import UsageError, no_such
    from harness.tasks.quality import corpus_quality, quality_json, quality_text

    if feature is not None and feature not in corpus.declaration.features:
        raise UsageError(no_such("--feature", feature, list(corpus.declaration.features)))
    with progress("reading EEG") as show:
        found = corpus_quality(corpus, feature=feature, on_progress=show)
    description["quality"] = quality_json(found)
    if pictures is not None:
        from harness.tasks.quality_pictures import draw

        with progress("drawing") as show:
            drawn = draw(corpus, found, pictures, show)
        remark(f"{drawn} pictures in {pictures}")
    return quality_text(found)
