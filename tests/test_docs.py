"""README.md and docs/: what they quote is what records and figures say, and their commands and links work."""

import hashlib
import json
import re
import runpy
import shlex

import click
import pytest
from conftest import REPOSITORY
from test_repository import LAYERS

from benchmarks import scale
from benchmarks.systems import systems
from harness.boards.compare import DEFAULT_BOARD
from harness.boards.papers.tables import PAPERS
from harness.cli.main import cli
from harness.corpus.declaration import declared_names
from harness.records.document import parse_record
from harness.records.record import COMMON
from harness.scoring.measures import DEFAULT, measure
from harness.scoring.statistics import least_p
from harness.submission.hub import parsed
from harness.submission.manifest import load_submission

MAKE = runpy.run_path(str(REPOSITORY / "docs" / "make.py"))
README = (REPOSITORY / "README.md").read_text()
RESULTS = (REPOSITORY / "docs" / "results.md").read_text()
STATISTICS = (REPOSITORY / "docs" / "statistics.md").read_text()
FIGURES = json.loads((REPOSITORY / "benchmarks" / "figures.json").read_text())
OURS = MAKE["our_packages"]()
PAGES = sorted(
    [
        *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *(REPOSITORY / "docs").glob("*.md"),
        *(next(REPOSITORY.glob(f"*/{name}/README.md")) for name in OURS),
    ]
)
# Board -> its committed records of the kit's own packages, by the digits that a board shows. A fork may
# commit records of them on corpora of its own; docs/results.md quotes the boards of the kit's corpora.
RECORDS = {}
for path in sorted((REPOSITORY / "results").rglob("*.json")):
    record = json.loads(path.read_text())
    if record["submission"]["name"] in OURS and record["corpus"]["name"] in declared_names():
        board = path.parent.relative_to(REPOSITORY / "results").as_posix()
        digits = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        RECORDS.setdefault(board, {})[digits] = record


def page_name(path):
    return path.relative_to(REPOSITORY).as_posix()


@pytest.mark.slow
@pytest.mark.parametrize("path", MAKE["DOCUMENTS"], ids=page_name)
def test_pages_are_what_make_docs_writes(path):
    text = path.read_text()
    assert text == MAKE["filled"](text), "make docs fills in what has changed"
    assert text.count("<!-- make docs: ") == len(MAKE["quoted"](text)), "a quotation without an end, or twice"


@pytest.mark.slow
def test_the_learning_curve_is_what_make_docs_draws():
    curve = runpy.run_path(str(REPOSITORY / "docs" / "curve.py"))
    drawn = curve["picture"](curve["drawing"](), ".svg", curve["WIDTH"])
    assert curve["PICTURE"].read_bytes() == drawn, "make docs draws it again"
    rows = curve["drawing"]().rows
    assert len(rows) == 4 * 6
    assert all(row["ci95"][0] < row["r"] < row["ci95"][1] for row in rows)


def test_quotations_are_all_there():
    boards = {("board", name) for name in RECORDS}
    papers = {("paper", name) for name in PAPERS}
    single = {(name, "") for name in ("official-2024", "heard", "curve", "figures", "speeds", "comment")}
    variants = {
        ("rows-of", f"{name} simulated/held-out-subjects/{part}/mel")
        for name in ("catwavenet", "dmf2mel", "ssm2mel")
        for part in ("test", "val")
    }
    seeds = {("seeds", "convconcatnet simulated-mel")}
    assert MAKE["quoted"](RESULTS) == boards | papers | single | variants | seeds
    assert MAKE["quoted"](README) == {("make-score", "")}
    assert MAKE["quoted"](STATISTICS) == {("coverage", ""), ("alarms", "")}


def test_the_readme_shows_what_the_makefile_runs():
    makefile = (REPOSITORY / "Makefile").read_text()
    assert "\tHARNESS_DATA= $(BIN)/harness score submissions/catwavenet\n" in makefile
    assert f"\t$(BIN)/harness rank --board {DEFAULT_BOARD}\n" in makefile


@pytest.mark.parametrize("name", RECORDS)
def test_rows_of_boards_are_the_records_of_our_packages(name):
    block = RESULTS.split(f"<!-- make docs: board {name} -->\n")[1].split("<!-- end -->")[0]
    singles, trainings = {}, {}
    for digits, record in RECORDS[name].items():
        system, training = record["submission"], record["submission"].get("training")
        if training and training["seed"] is not None:
            trainings.setdefault((system["name"], system["variant"]), {})[digits] = record
        else:
            singles[digits] = record
    for group in trainings.values():
        if len(group) == 1:  # one seed alone is a row of its own
            singles |= group
    means = {system: list(group.values()) for system, group in trainings.items() if len(group) > 1}
    n_means = 0
    ranks = parse_record(json.dumps(next(iter(RECORDS[name].values()))).encode(), name).measure_names[0]
    heading = measure(ranks).heading

    def ranked(record):
        """What a record says by the measure that ranks: value, ci95, chance."""
        if ranks == DEFAULT:
            return {"value": record["score"], "ci95": record["ci95"], "chance": record["chance"]}
        return record["measures"][ranks]

    for row in _rows(block):
        assert row[heading] == row[heading].strip()
        seeds = re.fullmatch(r"of (\d+) seeds", row["record"])
        system = row.get("system") or row["ablation"]
        if seeds:
            n_means += 1
            own = next(group for (package, _), group in means.items() if package == system.split()[0])
            assert len(own) == int(seeds[1])
            assert row[heading] == f"{sum(ranked(record)['value'] for record in own) / len(own):.4f}"
            continue
        record = singles.pop(row["record"])
        assert row[heading] == f"{ranked(record)['value']:.4f}"
        assert row["95 % interval"] == "{:.4f} to {:.4f}".format(*ranked(record)["ci95"])
        assert system.split()[0] == record["submission"]["name"]
        if "chance" in row:
            bands = [band for band in ranked(record)["chance"].values() if band]
            chance = min(band["low"] for band in bands), max(band["high"] for band in bands)
            words = parse_record(json.dumps(record).encode(), name).ranked.chance_words
            assert row["chance"].removesuffix(f" ({COMMON})") == (words or "{:.4f} to {:.4f}".format(*chance))
    assert (singles, n_means) == ({}, len(means))
    (subjects,) = {len(record["subjects"]) for record in RECORDS[name].values()}
    assert f"{subjects} subjects**" in block


def _rows(block):
    """Rows of all Markdown tables of a text, each by the columns of its own table."""
    head, rows = [], []
    lines = [line for line in block.splitlines() if line.startswith("|")]
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if after.startswith("|:"):
            head = cells
        elif not line.startswith("|:"):
            rows.append(dict(zip(head, cells, strict=True)))
    return rows


def test_benchmarks_reach_their_targets():
    targets = json.loads((REPOSITORY / "benchmarks" / "targets.json").read_text())
    assert targets.keys() == FIGURES.keys()
    for benchmark, figures in targets.items():
        for name, target in figures.items():
            assert target.keys() - {"what"} in ({"at_least"}, {"at_most"})
            measured = FIGURES[benchmark][name]
            assert target.get("at_least", measured) <= measured <= target.get("at_most", measured), (
                benchmark,
                name,
            )


def test_figures_of_benchmarks_are_quoted():
    rows = re.findall(
        r"^\| [^|]* \| ([\d.,e-]+) +\| at (?:least|most) [\d.e-]+ +\| `(\w+)\.(\w+)` +\|$", RESULTS, re.M
    )
    assert len(rows) == 35
    for number, benchmark, name in rows:
        assert float(number.replace(",", "")) == FIGURES[benchmark][name]


def test_every_part_of_the_plan_for_scale_is_measured_and_quoted():
    measured = json.loads((REPOSITORY / "benchmarks" / "scale.json").read_text())
    text = (REPOSITORY / "docs" / "scale.md").read_text()
    assert measured.keys() == scale.PARTS.keys()
    for part, found in measured.items():
        assert f"<!-- make docs: scale {part} -->\n|" in text
        assert list(map(int, found["sizes"])) == list(scale.PARTS[part][1])
        assert found["command"] == f"python -m benchmarks.scale {part}"
        sizes = {int(size): figures for size, figures in found["sizes"].items()}
        for name, slope in scale.growth(sizes).items():
            assert found["growth"][name] == pytest.approx(slope, abs=0.006), (part, name)


def test_the_plan_for_scale_says_from_how_many_systems_twenty_subjects_show_nothing():
    text = (REPOSITORY / "docs" / "scale.md").read_text()
    systems, pairs = re.search(r"from (\d+) systems on \(([\d,]+) pairs\)", text).groups()
    assert int(pairs.replace(",", "")) == int(systems) * (int(systems) - 1) // 2
    assert int(pairs.replace(",", "")) * least_p(20) > 0.05
    assert (int(systems) - 1) * (int(systems) - 2) // 2 * least_p(20) <= 0.05


def test_intervals_hold_what_they_say():
    held = json.loads((REPOSITORY / "benchmarks" / "coverage.json").read_text())
    assert list(map(int, held)) == sorted(map(int, held))
    assert {2, 7, 8, 104} <= set(map(int, held))
    for number, by in held.items():
        assert 0.94 <= by["normal"]["in_use"] <= 0.96, number
        assert by["skewed"]["in_use"] >= (0.93 if int(number) >= 8 else 0.87), number
        assert f"| {number} " in STATISTICS


def test_two_trainings_of_one_net_are_rarely_called_different():
    measured = json.loads((REPOSITORY / "benchmarks" / "seed_alarms.json").read_text())
    for part, figures in measured.items():
        assert figures["trainings"] >= 3, part
        for found in figures["called_different"].values():
            assert found["two_sources"] <= 0.05
            assert min(found["seed_means"], found["single"]) > 0.4


def test_every_systems_speed_is_quoted():
    block = RESULTS.split("<!-- make docs: speeds -->\n")[1].split("<!-- end -->")[0]
    rows = re.findall(r"^\| (\S+) +\| ([\d,]+) +\| ([\d,.]+) +\| (\d+) +\|$", block, re.M)
    packages = {package.name for package, _ in systems()}
    keys = {
        key.removesuffix("_parameters").removesuffix("_default").replace("_", "-"): key.removesuffix(
            "_parameters"
        )
        for key in FIGURES["systems"]
        if key.endswith("_parameters")
    }
    assert {key.partition("_")[0] for key in keys.values()} == packages
    for system, parameters, speed, peak in rows:
        key = keys[system]
        measured = {
            what: FIGURES["systems"][f"{key}_{what}"]
            for what in ("parameters", "seconds_of_eeg_a_second", "peak_mb")
        }
        assert int(parameters.replace(",", "")) == measured["parameters"]
        assert float(speed.replace(",", "")) == pytest.approx(measured["seconds_of_eeg_a_second"], rel=0.005)
        assert float(peak) == pytest.approx(measured["peak_mb"], abs=0.5)


def test_the_readme_is_short_and_names_every_folder():
    assert len(README.splitlines()) <= 200
    rooms = [path.name for path in (REPOSITORY / "harness").iterdir() if (path / "__init__.py").is_file()]
    assert sorted(re.findall(r"^  (\w+)/ ", README, re.M)) == sorted(rooms)
    tops = ("baselines", "submissions", "splits", "results", "docs", "benchmarks", "tests")
    assert [name for name in tops if f"{name}/" not in README] == []


def commands_of(text):
    """Every `harness` command of a page, without the command's name: code blocks and code in a line."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S) + re.findall(r"^ {4}(.*)$", text, re.M)
    lines = [line for block in blocks for line in block.splitlines()]
    for line in lines:
        yield from re.findall(r"^(?:\$ |torchrun .*)?harness (.+)$", line)
    yield from re.findall(r"`harness ([a-z][^`]*)`", text)


# The changelog may name commands that are gone.
@pytest.mark.parametrize("path", [path for path in PAGES if path.stem != "CHANGELOG"], ids=page_name)
def test_commands_can_be_given_as_they_stand(path, monkeypatch):
    monkeypatch.setattr(
        "harness.submission.hub.fetched", lambda text, _: parsed(text) and REPOSITORY / "baselines/vlaai"
    )
    for words in (shlex.split(command, comments=True) for command in commands_of(path.read_text())):
        command = cli
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            assert words[0] in command.commands
            command = command.commands[words.pop(0)]
        if not words:  # the command's name alone, in a sentence
            continue
        given = command.make_context(command.name, words).params if words != ["--help"] else {}
        package = REPOSITORY / given.get("submission", "")
        if given.get("variant") and package.is_dir():
            assert given["variant"] in load_submission(package).variants


def test_commands_are_found_in_blocks_and_in_lines():
    text = "```\n$ harness new a  # b\ntorchrun x harness train b\n```\n\n    harness check c\n\nSee `harness rank`.\n"
    assert list(commands_of(text)) == ["new a  # b", "train b", "check c", "rank"]
    assert len(list(commands_of(README))) > 20


@pytest.mark.parametrize("path", PAGES, ids=page_name)
def test_links_lead_somewhere(path):
    text = path.read_text()
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", text):
        place, _, anchor = target.partition("#")
        linked = path.parent / place if place else path
        assert linked.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(), re.M)
            assert anchor in [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]


def test_contributing_shows_the_layers_that_are_tested():
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", (REPOSITORY / "CONTRIBUTING.md").read_text(), re.M)
    assert [int(number) for number, _ in rows] == list(range(1, len(LAYERS) + 1))
    assert [re.findall(r"`(\w+)`", names) for _, names in rows] == LAYERS
