"""corpus.toml: what it says, and what it is refused for."""

import pytest
from own_corpus import TOML

from harness.corpus.declaration import declared, declared_names, exact, load_declaration
from harness.errors import CorpusError
from harness.tasks.splits import split_names

GOOD = TOML.format(rate=100, n_channels=128, pitch_rate=50)


def _load(folder, text):
    (folder / "corpus.toml").write_text(text)
    return load_declaration(folder)


def _faults(folder, text):
    with pytest.raises(CorpusError) as caught:
        _load(folder, text)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def test_a_declaration_says_what_a_corpus_is(tmp_path):
    corpus = _load(tmp_path, GOOD)
    assert (corpus.name, corpus.kind, corpus.n_channels, corpus.sample_rate_hz) == (
        "my-lab",
        "real",
        128,
        100,
    )
    assert {name: (f.n_bands, f.frame_rate_hz) for name, f in corpus.features.items()} == {
        "envelope": (1, 100),
        "pitch": (1, 50),
    }
    assert corpus.features["pitch"].frames(5) == 250
    assert (corpus.is_shipped, corpus.measure, corpus.subjects) == (False, "pearson_r", None)


def test_a_folder_without_a_declaration_has_none(tmp_path):
    assert load_declaration(tmp_path) is None


def test_known_corpora_are_declared():
    assert declared_names() == ["dtu", "nmed-t", "simulated", "simulated-nmed-t", "sparrkulee"]
    facts = {}
    music = ["music-mel", "music-mel-db", "music-mel-db-max", "music-eeg2mel"]
    for name in declared_names():
        one = declared(name)
        assert one.default_split in split_names()
        n_subjects = None if one.subjects is None else len(one.subjects)
        facts[name] = (one.kind, one.n_channels, one.sample_rate_hz, n_subjects, [*one.features])
    assert facts == {
        "dtu": ("real", 64, 64, 18, ["envelope"]),
        "nmed-t": ("real", 125, 125, None, music),
        "simulated-nmed-t": ("simulated", 125, 125, None, music),
        "simulated": ("simulated", 64, 64, 104, ["mel", "envelope"]),
        "sparrkulee": ("real", 64, 64, 105, ["mel", "mel-28", "envelope"]),
    }
    assert {"sub-001", "sub-099", "sub-105"} < declared("sparrkulee").subjects
    assert declared("dtu").subjects == {f"S{number}" for number in range(1, 19)}
    assert declared("nobody") is None


def test_numbers_are_taken_as_they_are_written():
    assert exact(0.1) * 10 == 1


@pytest.mark.parametrize(
    ("old", "new", "faults"),
    [
        (
            "sample_rate_hz = 100",
            "sample_rate = 100",
            [
                "corpus.toml: the key 'sample_rate_hz' is missing.",
                "corpus.toml: unknown key 'sample_rate'.\n  Did you mean 'sample_rate_hz'?",
            ],
        ),
        (
            'bands = 1\nfiles = "features/{stimulus}_envelope.npy"',
            'band = 1\nfiles = "features/{stimulus}_envelope.npy"',
            [
                "corpus.toml: features: envelope: the key 'bands' is missing.",
                "corpus.toml: features: envelope: unknown key 'band'.\n  Did you mean 'bands'?",
            ],
        ),
        (
            'name = "my-lab"',
            'name = "My lab"',
            ["corpus.toml: name: 'My lab', expected lower-case words joined by hyphens."],
        ),
        (
            'name = "my-lab"',
            'name = "sparrkulee"',
            [
                "corpus.toml: name: 'sparrkulee', the name of a corpus that comes with the harness, expected a"
                " name of its own.\n"
                "  Data in the layout of sparrkulee need no corpus.toml; give others a new name."
            ],
        ),
        ('kind = "real"', 'kind = "made"', ["corpus.toml: kind: 'made', expected one of real, simulated."]),
        (
            "eeg/{subject}_{stimulus}.npy",
            "eeg/{stimulus}.npy",
            [
                "corpus.toml: eeg: files: 'eeg/{stimulus}.npy' without {subject}, expected a pattern that says"
                " whose EEG it is.\n"
                "  Put {subject} where the subject's name stands in the file's name or folder."
            ],
        ),
        (
            "eeg/{subject}_{stimulus}.npy",
            "eeg/{subjet}_{stimulus}.npy",
            [
                "corpus.toml: eeg: files: {subjet} in 'eeg/{subjet}_{stimulus}.npy', expected one of {subject},"
                " {session}, {run}, {stimulus}.\n  Did you mean 'subject'?",
                "corpus.toml: eeg: files: 'eeg/{subjet}_{stimulus}.npy' without {subject}, expected a pattern"
                " that says whose EEG it is.\n"
                "  Put {subject} where the subject's name stands in the file's name or folder.",
            ],
        ),
        (
            "features/{stimulus}_envelope.npy",
            "features/{session}_envelope.npy",
            [
                "corpus.toml: features: envelope: files: {session} in 'features/{session}_envelope.npy',"
                " expected one of {subject}, {stimulus}, those of the EEG's files."
            ],
        ),
        (
            "features/{stimulus}_envelope.npy",
            "../{stimulus}_envelope.npy",
            [
                "corpus.toml: features: envelope: files: '../{stimulus}_envelope.npy', expected a path below the"
                " folder, parts joined by /, none hidden, no '..'."
            ],
        ),
        (
            "features/{stimulus}_envelope.npy",
            "features/{stimulus}_envelope.wav",
            [
                "corpus.toml: features: envelope: files: 'features/{stimulus}_envelope.wav', expected names that"
                " end in .npy or .npz."
            ],
        ),
        (
            "frame_rate_hz = 50",
            "frame_rate_hz = 50\nframes_per_segment = 3",
            [
                "corpus.toml: features: pitch: both 'frame_rate_hz' and 'frames_per_segment', expected one of"
                " them."
            ],
        ),
        (
            "count = 128",
            'count = 128\nnames = ["Fz", "Cz"]',
            ["corpus.toml: channels: names: 2 names, expected 128, the count."],
        ),
        (
            "sample_rate_hz = 100",
            "sample_rate_hz = inf",
            ["corpus.toml: sample_rate_hz: inf, expected a finite number."],
        ),
        (
            '[eeg]\nfiles = "eeg/{subject}_{stimulus}.npy"\n',
            "",
            [
                "corpus.toml: neither 'eeg' nor 'layouts', expected one of them.\n"
                '  [eeg] with files = "eeg/{subject}_{stimulus}.npy" says how the EEG\'s files are named.',
            ],
        ),
        (
            'files = "features/{stimulus}_pitch.npy"\n',
            "",
            ["corpus.toml: features: pitch: the key 'files' is missing."],
        ),
    ],
    ids=[
        "unknown key",
        "unknown key of a feature",
        "name",
        "name of a known corpus",
        "kind",
        "no subject",
        "unknown placeholder",
        "placeholder that the EEG has not",
        "path that leads out",
        "suffix",
        "two rates",
        "channel names",
        "infinite rate",
        "no eeg",
        "no files",
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused(tmp_path, old, new, faults):
    assert GOOD.count(old) == 1
    assert sorted(_faults(tmp_path, GOOD.replace(old, new))) == sorted(faults)


def test_a_declaration_that_is_no_toml_is_refused(tmp_path):
    (message,) = _faults(tmp_path, "name = ")
    assert message.startswith("corpus.toml: not readable as TOML (")


def test_the_hash_is_of_what_decides_the_numbers(tmp_path):
    first = _load(tmp_path, GOOD).sha256
    assert _load(tmp_path, GOOD.replace("Two stories", "Three stories")).sha256 == first
    assert _load(tmp_path, GOOD.replace("eeg/{subject}", "raw/{subject}")).sha256 == first
    assert _load(tmp_path, GOOD.replace("frame_rate_hz = 50", "frame_rate_hz = 25")).sha256 != first
    assert _load(tmp_path, GOOD.replace("count = 128", "count = 64")).sha256 != first
    assert _load(tmp_path, GOOD.replace("sample_rate_hz = 100", "sample_rate_hz = 64")).sha256 != first


@pytest.mark.parametrize("last", ["99999999", "9" * 30])
def test_a_range_of_more_subjects_than_any_corpus_has_is_refused_at_once(tmp_path, last):
    entry = f"sub-1..sub-{last}"
    assert _faults(tmp_path, f'subjects = ["S1..S3", "{entry}"]\n{GOOD}') == [
        f"corpus.toml: subjects: '{entry}', expected a range of at most 10000 subjects."
    ]


def test_a_subjects_name_is_no_novel(tmp_path):
    (fault,) = _faults(tmp_path, f'subjects = ["{"1" * 200_000}"]\n{GOOD}')
    assert fault.startswith("corpus.toml: subjects[0]: '1111")
    assert len(fault) < 400
