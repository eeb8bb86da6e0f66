"""Wrong usage ends with 2, whichever option names what there is not; a choice of names says which is near."""

import numpy as np
import pytest
from conftest import REPOSITORY
from own_corpus import make_own_corpus, write_split


@pytest.fixture
def lab(tmp_path, make_submission):
    """A corpus, its split beside its declaration, a submission with two variants, and references."""
    folder = make_own_corpus(tmp_path / "lab", n_channels=4)
    write_split(folder / "my-lab.json")
    tiny = make_submission(features=["envelope", "pitch"])
    with (tiny / "submission.toml").open("a") as manifest:
        manifest.write('[variants.wide]\ntitle = "Wide"\n[variants.deep]\ntitle = "Deep"\n')
    np.savez(tmp_path / "labels.npz", **{f"P1{i}_story-a_000": np.ones((500, 1)) for i in range(3)})
    return folder


LAB = ("--data", "lab", "--split", "my-lab")
TINY = "submissions/tiny"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("score", TINY, "--data", "lab", "--split", "my-lb"),
            "--split my-lb: no such split, expected one of challenge-2024, dtu, dtu-unheard, held-out-subjects,"
            " known-subjects, music-blocks, music-listeners, music-listeners-blocks, music-random, music-songs, my-lab, or the path of a split file (.json).\n  Did you mean 'my-lab'?",
        ),
        (
            ("data", "describe", "lab", "--split", "my-lbs.json"),
            "--split my-lbs.json: no such file, expected one of challenge-2024, dtu, dtu-unheard, held-out-subjects,"
            " known-subjects, music-blocks, music-listeners, music-listeners-blocks, music-random, music-songs, my-lab, or the path of a split file (.json).\n  Did you mean 'my-lab'?",
        ),
        (
            ("score", TINY, *LAB, "--feature", "envelop"),
            "split my-lab: feature envelop, expected one of envelope, pitch.\n  Did you mean 'envelope'?",
        ),
        (
            ("check", TINY, *LAB, "--feature", "envelop"),
            "split my-lab: feature envelop, expected one of envelope, pitch.\n  Did you mean 'envelope'?",
        ),
        (
            ("predict", TINY, *LAB, "--variant", "wdie", "--out", "p.npz"),
            "tiny: --variant: 'wdie', expected one of wide, deep.\n  Did you mean 'wide'?",
        ),
        (
            ("check", TINY, *LAB, "--variant", "wdie", "--json"),
            "tiny: --variant: 'wdie', expected one of wide, deep.\n  Did you mean 'wide'?",
        ),
        (
            ("train", str(REPOSITORY / "baselines/dprnn"), *LAB, "--preset", "papr"),
            "--preset (variant default): 'papr', expected one of paper, compact.\n  Did you mean 'paper'?",
        ),
        (
            ("score", "labels.npz", "--labels", "labels.npz", "--corpus", "My Lab"),
            "--corpus My Lab: 'My Lab', expected lower-case words joined by hyphens.",
        ),
        (
            (
                "score",
                "labels.npz",
                "--labels",
                "labels.npz",
                "--corpus",
                "lab/corpus.toml",
                "--feature",
                "pich",
            ),
            "--feature: 'pich', expected one of envelope, pitch.\n  Did you mean 'pitch'?",
        ),
        (
            ("rank", "--format", "markdwn", "--sort", "nam"),
            "--format: 'markdwn', expected one of text, md, csv, latex, html, json.\n"
            "error: --sort: 'nam', expected one of rank, name, date.\n  Did you mean 'name'?",
        ),
        (
            ("history", "--board", "my-lab"),
            "--board my-lab: 1 word between slashes, expected four, CORPUS/SPLIT/PART/FEATURE.\n"
            "  For example: simulated/held-out-subjects/test/mel",
        ),
        (
            ("rank", "--results", str(REPOSITORY / "results"), "--board", "dtu/dtu/test/envelope"),
            None,
        ),
        (
            ("tables", "dmf2me"),
            "PAPER: 'dmf2me', expected one of catwavenet, ssm2mel, dmf2mel, music, official-2024.\n"
            "  Did you mean 'dmf2mel'?",
        ),
        (
            ("data", "prepare", "lab", "out", "--recipe", "simpel"),
            "--recipe: 'simpel', expected simple, sparrkulee or a .toml file.\n  Did you mean 'simple'?",
        ),
        (
            ("data", "fetch", "dtu", "out", "--subjects", "S99"),
            "--subjects: S99, expected some of S1..S18.\n  Did you mean 'S9'?",
        ),
    ],
)
def test_a_name_that_there_is_not_is_wrong_usage(harness, lab, arguments, message):
    code, out, err = harness(*arguments)
    assert (code, out) == (2, "")
    if message is None:
        assert "  Did you mean '" in err
    else:
        assert err == f"error: {message}\n"


def test_a_part_that_the_split_has_not_is_wrong_usage(harness, lab):
    code, _, err = harness("score", TINY, "--data", "lab", "--split", "challenge-2024", "--part", "val")
    assert code == 1  # the split is not for this corpus
    write_split(lab / "tested.json", parts={"test": {"subjects": ["P01"]}})
    code, _, err = harness("score", TINY, "--data", "lab", "--split", "tested", "--part", "val")
    assert (code, err) == (
        2,
        "error: split tested: no part 'val', expected one of test.\n"
        "  Choose another with --part, or another split with --split.\n",
    )


def test_a_record_of_a_variant_that_is_gone_is_invalid_data(harness, lab, tmp_path):
    assert harness("score", TINY, *LAB, "--variant", "deep", "--no-controls")[0] == 0
    manifest = tmp_path / TINY / "submission.toml"
    manifest.write_text(manifest.read_text().replace("variants.deep", "variants.deeper"))
    record = "results/my-lab/my-lab/test/envelope/tiny-deep.json"
    code, out, err = harness("verify", record, TINY, "--data", "lab")
    assert (code, out, err) == (
        1,
        "",
        f"error: {record}: variant, which tiny lacks: 'deep', expected one of wide, deeper.\n"
        "  Did you mean 'deeper'?\n",
    )
