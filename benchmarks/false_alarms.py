"""How often the blind control flags a clean system, and how often it finds one that is not.

python -m benchmarks.false_alarms

200 repetitions of each of five systems on a simulated part: 16 subjects who hear the same 8 segments of
30 s, two bands, references and predictions as slow as speech envelopes are. No net and no EEG: predictions
are made from the references as the system would make them. From surrogates,

    decoder     weak and honest: noise; from EEG a little of the reference, more of it for some subjects
    rhythm      the same, and every prediction holds one rhythm of the system's own that no EEG decides
    idle        does not use the EEG: as good, or as bad, from surrogates
    replay      recognises the stimulus without its phases, in a segment of eight
    timid       the same, in a segment of eight, and adds a tenth of it to noise
"""

import numpy as np
from scipy.signal import lfilter

from benchmarks.timing import report
from harness.scoring.blind import BlindSubject, blind_score
from harness.scoring.measures import measure
from harness.scoring.score import score_with_chance

REPETITIONS = 200
SUBJECTS, SEGMENTS, SAMPLES, BANDS, RATE = 16, 8, 1920, 2, 64.0
R = measure("pearson_r")


def slow(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Noise below 4 Hz or so, as long as a segment: (*shape, SAMPLES, BANDS)."""
    white = rng.standard_normal((*shape, SAMPLES + 200, BANDS))
    return lfilter([1.0], [1.0, -0.8], white, axis=-2)[..., 200:, :]


def flags(rng: np.random.Generator, system: str) -> tuple[bool, bool]:
    """One repetition: whether it scores without the EEG, and whether there is no evidence of using it."""
    stimuli = slow(rng, SEGMENTS)
    rhythm = slow(rng) if system == "rhythm" else 0.0
    subjects = {}
    for subject in range(SUBJECTS):
        references = {f"{subject}_{k}": stimulus for k, stimulus in enumerate(stimuli)}
        strength = max(rng.normal(0.07, 0.03), 0.0)
        real, blind = slow(rng, SEGMENTS), slow(rng, SEGMENTS)
        if system in ("decoder", "rhythm"):
            real = real + strength * stimuli + rhythm
            blind = blind + rhythm
        elif system == "replay":
            real[0] = blind[0] = stimuli[0]
        elif system == "timid":
            real = real + strength * stimuli
            real[0] += 0.1 * stimuli[0]
            blind[0] += 0.1 * stimuli[0]
        own = dict(zip(references, real, strict=True))
        _, _, values = score_with_chance(references, own)
        made = dict(zip(references, blind, strict=True))
        _, around, without = score_with_chance(references, made)
        subjects[f"{subject}"] = BlindSubject(values[R.name], without[R.name], around)
    found = blind_score(R, subjects, frame_rate_hz=RATE)
    return bool(found.scores_without_eeg), bool(found.no_evidence)


def main() -> dict[str, float]:
    """Measure; every figure is a share of the repetitions."""
    figures = {}
    for number, system in enumerate(("decoder", "rhythm", "idle", "replay", "timid")):
        found = np.array(
            [flags(np.random.default_rng([20260303, number, k]), system) for k in range(REPETITIONS)]
        )
        without, no_evidence = found.mean(axis=0)
        figures[f"{system}_scores_without_eeg"] = float(without)
        figures[f"{system}_no_evidence"] = float(no_evidence)
    return figures


if __name__ == "__main__":
    report("false_alarms", main())
