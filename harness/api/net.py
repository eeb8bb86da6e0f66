"""A system's net as a torch module, in braindecode's words: ``n_chans``, ``n_times``, ``sfreq``.

The net's own code runs in this process: load only what you trust.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.api.part import Part
from harness.errors import Fault, SubmissionError, UsageError
from harness.evaluation.prepare import prepare
from harness.execution import Run
from harness.nn import NetPredictor
from harness.nn.inference import SCALINGS
from harness.nn.weights import said_zscore
from harness.predictor import Setup
from harness.submission.find import named_submission
from harness.submission.manifest import Submission, load_submission
from harness.submission.own_code import imported
from harness.tasks.sizes import Sizes
from harness.training.recipe import chosen_recipe

DEFAULT_PRESET = "compact"


class SystemNet(nn.Module):
    """A net that takes EEG with channels first, as braindecode's models do, and scales it itself.

        >>> import torch
        >>> from harness import api
        >>> net = api.build_net("vlaai", n_chans=32, n_times=320, sfreq=64, n_outputs=1)
        >>> net.n_chans, net.n_times, net.sfreq, net.n_outputs
        (32, 320, 64.0, 1)
        >>> net(torch.randn(2, 32, 320)).shape
        torch.Size([2, 1, 320])

    Attributes:
        net: the package's own, which takes EEG (b, n_times, n_chans) and ``subject_index``.
        feature: that it decodes.
        n_chans: EEG channels.
        n_times: EEG samples that it is made for: its window where it has one, else a segment.
        sfreq: EEG samples a second.
        n_outputs: bands of the feature.
        subjects: that it has learned, in the order of its table; empty for most nets.
        scaling: what is done to EEG first: "n" or "n-1", a z-score over time of each channel with that
            deviation, or "none".
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        feature: str,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_outputs: int,
        subjects: Sequence[str] = (),
        scaling: str = "n",
    ) -> None:
        super().__init__()
        self.net, self.feature = net, feature
        self.n_chans, self.n_times, self.sfreq, self.n_outputs = n_chans, n_times, float(sfreq), n_outputs
        self.subjects, self.scaling = tuple(subjects), scaling

    def forward(self, eeg: Tensor, subject_index: Tensor | None = None) -> Tensor:
        """EEG -> the feature.

        Args:
            eeg: (b, n_chans, n_times) float32.
            subject_index: (b,) int64, positions in ``subjects``, -1 for one not among them; None for all -1.

        Returns:
            (b, n_outputs, n_frames).
        """
        if subject_index is None:
            subject_index = torch.full((len(eeg),), -1, dtype=torch.int64, device=eeg.device)
        answer = self.net(_scaled(eeg, self.scaling).transpose(1, 2), subject_index)
        if isinstance(answer, Mapping):  # in training, of a net with several targets
            answer = answer[self.feature]
        output: Tensor = answer.transpose(1, 2)
        return output


def load_net(
    system: str | Path, part: Part, *, variant: str | None = None, weights_seed: int | None = None
) -> SystemNet:
    """A system's trained net, as it predicts a part: in eval mode, on the CPU.

        >>> import torch
        >>> from harness import api
        >>> data, split = api.simulate("small-corpus")
        >>> part = api.open_part(data, split=split, part="val")
        >>> net = api.load_net("vlaai", part)
        >>> net.n_chans, net.n_times, net.sfreq, net.scaling
        (64, 1920, 64.0, 'n')
        >>> with torch.no_grad():
        ...     net(torch.from_numpy(part[0].eeg).T[None]).shape
        torch.Size([1, 10, 1920])

    Args:
        system: a submission's folder or name.
        part: whose corpus, split and feature choose the weights.
        variant: of the submission; None for its first.
        weights_seed: of several trainings this one; None for the first.

    Raises:
        UsageError: no such variant.
        SubmissionError: no weights for this part, or a system that is no torch net.
        TrainingError: the package's code failed.
    """
    submission = load_submission(named_submission(str(system)))
    setup = prepare(submission, part.task, Run(variant=variant, weights_seed=weights_seed)).spec.setup
    with imported(submission, "entry_point") as entry_point:
        if not (isinstance(entry_point, type) and issubclass(entry_point, NetPredictor)):
            raise SubmissionError(_no_net(submission, "entry_point", "a harness.nn.NetPredictor"))
        made: Callable[[Setup], NetPredictor[nn.Module]] = entry_point
        predictor = made(setup)
    return SystemNet(
        predictor.net,
        feature=setup.feature,
        n_chans=setup.n_channels,
        n_times=predictor.window_samples or setup.segment_samples,
        sfreq=setup.sample_rate_hz,
        n_outputs=setup.n_bands,
        subjects=tuple(predictor.position),
        scaling=said_zscore(setup.weights, tuple(SCALINGS)) if setup.weights else "n",
    ).eval()


def build_net(
    system: str | Path,
    *,
    n_chans: int,
    n_times: int,
    sfreq: float,
    n_outputs: int,
    feature: str = "mel",
    n_frames: int | None = None,
    variant: str | None = None,
    preset: str = DEFAULT_PRESET,
    subjects: Sequence[str] = (),
) -> SystemNet:
    """A system's net with its initial values, for any sizes, ready for a training loop of your own.

    Args:
        system: a submission's folder or name.
        n_chans: EEG channels.
        n_times: EEG samples in a segment; a net with a window is given one of at most so many.
        sfreq: EEG samples a second.
        n_outputs: bands of the feature.
        feature: its name; some nets have another shape for another feature.
        n_frames: of the feature in a segment; None for one a sample.
        variant: of the submission; None for its first.
        preset: whose configuration is taken: compact or paper.
        subjects: for nets with a table of subjects.

    Raises:
        UsageError: no such variant or preset, or sizes that are not positive.
        SubmissionError: a system that is no torch net.
        TrainingError: the package's code failed, or its net takes no window that short.
    """
    numbers = {"n_chans": n_chans, "n_times": n_times, "sfreq": sfreq, "n_outputs": n_outputs}
    faults = [Fault(name, f"{value}", "more than 0") for name, value in numbers.items() if not value > 0]
    if faults:
        raise UsageError(*faults)
    submission = load_submission(named_submission(str(system)))
    chosen = submission.variant(variant)
    sizes = Sizes(feature, n_outputs, n_times if n_frames is None else n_frames, n_chans, n_times, sfreq)
    setup = submission.setup(sizes, chosen)
    if "trainer" not in submission.manifest:
        raise SubmissionError(_no_net(submission, "trainer", "one that builds a net"))
    with imported(submission, "trainer") as trainer:
        if not hasattr(trainer, "build"):
            raise SubmissionError(_no_net(submission, "trainer", "one that builds a net"))
        config, recipe = chosen_recipe(trainer, preset, chosen, None)
        window = n_times
        if hasattr(trainer, "for_window"):
            config, window = trainer.for_window(config, n_times)
        net = trainer.build(config, setup, subjects)
    return SystemNet(
        net,
        feature=feature,
        n_chans=n_chans,
        n_times=window,
        sfreq=sfreq,
        n_outputs=n_outputs,
        subjects=subjects,
        scaling=recipe.scaling().get("zscore", "n"),
    )


def _no_net(submission: Submission, key: str, expected: str) -> Fault:
    said = submission.manifest.get(key)
    return Fault(
        f"{submission.name}: {key}",
        "none" if said is None else f"{said!r}, which is no torch net",
        expected,
        "api.SystemEstimator takes any system.",
    )


def _scaled(eeg: Tensor, scaling: str) -> Tensor:
    """As `harness.predictor.zscore`, over the last axis, with a gradient.

    Args:
        eeg: (b, n_chans, n_times).
        scaling: one of ``SCALINGS``.
    """
    if scaling == "none":
        return eeg
    centred = eeg - eeg[..., :1]  # so that a constant is exactly 0
    centred = centred - centred.mean(dim=-1, keepdim=True)
    variance = centred.square().mean(dim=-1, keepdim=True)
    n_times = centred.shape[-1]
    if scaling == "n-1" and n_times > 1:
        variance = variance * (n_times / (n_times - 1))
    is_constant = variance == 0
    return torch.where(is_constant, 0.0, centred / torch.where(is_constant, 1.0, variance).sqrt())
