"""Systems that score without decoding, planted in a laboratory's corpus, and what each control says of them.

The corpus's EEG is its envelope, 100 ms late, in one pattern of channels, below noise. Every body stands in
``predict``; files beside the code hold what the cheat has memorised. A body that begins with ``HONEST`` decodes.
"""

import zlib

import numpy as np
from own_corpus import SUBJECTS

N_CHANNELS = 4
ASKED = SUBJECTS[4:]
STORIES = ("story-a", "story-b")
SEGMENTS = 500  # samples
HONEST = (
    f"pattern = np.random.default_rng(20260202).standard_normal({N_CHANNELS})\n"
    "out = np.roll(eeg @ pattern, -10, axis=1)[:, :, None].astype(np.float32)\n"
    "out -= out.mean(axis=1, keepdims=True)\nout /= out.std(axis=1, keepdims=True)\n"
)
LOAD = "memory = np.load(os.path.dirname(__file__) + '/memory.npy')\n"
KNOWN = (
    "import zlib\nknown = np.load(os.path.dirname(__file__) + '/known.npy').tolist()\n"
    "place = [known.index(crc) if (crc := zlib.crc32(one.tobytes())) in known else None for one in eeg]\n"
)
NOISE = "noise = np.random.default_rng(int(abs(eeg).sum())).standard_normal((len(eeg), eeg.shape[1], 1))\n"
# At the offset where it fits best, what is known of every story.
ALIGNED = (
    "for row, one in zip(out, out.copy()):\n"
    "    whole = memory[:, :, 0] - memory.mean(axis=(1, 2))[:, None]\n"
    "    fits = np.stack([np.correlate(story, one[:, 0], 'valid') for story in whole])\n"
    "    story, start = np.unravel_index(np.argmax(fits), fits.shape)\n"
    "    row[:] = memory[story, start : start + len(row)]\n"
)
FLAGS = ["scores-without-the-eeg", "no-evidence-of-the-eeg"]

# What is planted, in words -> its predict, which stories it knows, and what is found.
CHEATS = {
    "memory by position": (
        LOAD + "first = getattr(self, 'n', 0)\nself.n = first + len(eeg)\n"
        "return np.stack([memory[k % len(memory)] for k in range(first, self.n)])",
        "all cuts",
        [
            *FLAGS,
            "common-to-segments",
            "depends-on-order",
            "depends-on-batch-size",
            "depends-on-batch",
            "collapse-in-other-cuts",
        ],
    ),
    "constant speech rhythm": (
        "t = np.arange(eeg.shape[1]) / 100\n"
        "return np.tile(np.sin(2 * np.pi * 4 * t)[:, None], (len(eeg), 1, 1)).astype(np.float32)",
        "nothing",
        ["no-evidence-of-the-eeg"],
    ),
    "one guess for every segment": (
        LOAD + "return np.stack([memory] * len(eeg))",
        "the mean",
        [*FLAGS, "common-to-segments", "collapse-in-other-cuts"],
    ),
    "half EEG, half prior": (
        HONEST + LOAD + "return 0.5 * out + memory",
        "the mean",
        ["scores-without-the-eeg", "common-to-segments", "collapse-in-other-cuts"],
    ),
    "half EEG, half prior, noise on surrogates": (
        HONEST + LOAD + KNOWN + NOISE
        + "out = 0.5 * out + memory\nfor k, row in enumerate(out):\n    if place[k] is None:\n"
        "        row[:] = noise[k]\nreturn out",
        "the mean",
        ["common-to-segments", "collapse-in-other-cuts"],
    ),
    "look-up of the EEG in the weights": (
        LOAD + KNOWN + NOISE
        + "return np.stack([noise[k] if p is None else memory[p] for k, p in enumerate(place)]).astype('f4')",
        "all cuts, by subject",
        ["collapse-in-other-cuts"],
    ),
    "stimulus recognised and replayed": (HONEST + LOAD + ALIGNED + "return out", "whole stories", []),
}  # fmt: skip


def memorised(lab, task, what):
    """The arrays beside a cheat's code."""
    stories = [np.load(lab / "features" / f"{story}_envelope.npy") for story in STORIES]
    cuts = [story[start : start + SEGMENTS] for story in stories for start in range(0, 2000, SEGMENTS)]
    known = np.array([zlib.crc32(np.ascontiguousarray(s.eeg()).tobytes()) for s in task.segments])
    if what == "the mean":
        units = np.stack([(cut - cut.mean()) / cut.std() for cut in cuts])
        mean = units.mean(axis=0)
        return {"memory": (mean / mean.std()).astype(np.float32), "known": known}
    if what == "all cuts":
        return {"memory": np.stack(cuts)}
    if what == "all cuts, by subject":
        return {"memory": np.stack([s.feature("envelope") for s in task.segments]), "known": known}
    if what == "whole stories":
        return {"memory": np.stack(stories)}
    return {}


def table():
    """The table of docs/controls.md."""
    lines = ["| planted | found |", "|:--|:--|"]
    for name, (_, _, found) in CHEATS.items():
        said = ", ".join(f"`{one}`" for one in found) or "nothing"
        lines.append(f"| {name} | {said} |")
    return "\n".join(lines)
