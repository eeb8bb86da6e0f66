"""A part of a split as a torch ``Dataset``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.data import Dataset

if TYPE_CHECKING:
    from harness.api.part import Part


class PartDataset(Dataset[tuple[Tensor, Tensor]]):
    """The segments of a part, in its order: EEG and reference, float32.

        >>> from harness import api
        >>> from torch.utils.data import DataLoader
        >>> data, split = api.simulate("small-corpus")
        >>> loader = DataLoader(api.open_part(data, split=split, part="val").dataset(), batch_size=4)
        >>> [(tuple(eeg.shape), tuple(mel.shape)) for eeg, mel in loader]
        [((4, 1920, 64), (4, 1920, 10)), ((4, 1920, 64), (4, 1920, 10))]

    Nothing is scaled: the EEG is as the corpus has it.

    Attributes:
        part: of which they are.
        channels_first: (n_channels, n_times) and (n_bands, n_frames); else time first, as in files.

    Args:
        part: with references.
        channels_first: see there.
    """

    def __init__(self, part: Part, *, channels_first: bool = False) -> None:
        self.part = part
        self.channels_first = channels_first

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        sample = self.part[index]
        # Copies: memory of the corpus's files is read-only, and torch wants to write.
        eeg, reference = torch.tensor(sample.eeg), torch.tensor(sample.reference)
        return (eeg.T, reference.T) if self.channels_first else (eeg, reference)
