"""Training of the song classifier on segments of EEG as they are."""

import numpy as np
import torch

from harness.nn.song_classifier import ClassifierConfig, SongClassifier, fit_classifier, named_songs

# The release has 200 epochs of batches of 500 at 0.009. Here it is a control, trained in minutes: these are
# ours.
STEPS = 300
BATCH_SIZE = 40
LEARNING_RATE = 3e-3


def train(data, setup, progress):
    """Train the classifier, and take the mean segment of each song.

    All of the training part's EEG is held at once: 63 kB a segment of 125 samples and electrodes.

    Returns:
        The net's weights, ``means`` (n_songs, n_frames, n_bands), and a report with the share of the training
        segments that it names rightly, and the score on the validation part.

    Raises:
        ValueError: no training recording is as long as a segment, or fewer than two songs.
    """
    samples = setup.segment_samples
    eeg, songs, sums = [], [], {}
    for recording, start, stop in data.stretches():
        for first in range(start, stop - samples + 1, samples):
            eeg.append(np.ascontiguousarray(recording.eeg(first, first + samples)))
            songs.append(recording.stimulus)
            total, n = sums.get(recording.stimulus, (0.0, 0))
            segment = recording.feature(data.feature, first, first + samples).astype(np.float64)
            sums[recording.stimulus] = total + segment, n + 1
    names = sorted(sums)
    if len(names) < 2:
        raise ValueError(f"segments of {len(names)} songs, expected two songs or more")
    images = torch.from_numpy(np.stack(eeg))
    numbers = torch.tensor([names.index(song) for song in songs])
    net = SongClassifier(ClassifierConfig(n_songs=len(names)))
    fit_classifier(
        net,
        images,
        numbers,
        steps=STEPS,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        seed=setup.seed,
        progress=lambda done: progress(done, STEPS, f"step {done} of {STEPS}"),
    )
    means = np.stack([total / n for total, n in (sums[name] for name in names)]).astype(np.float32)

    def predict(segments, _):
        with torch.inference_mode():
            blocks = torch.split(torch.from_numpy(np.array(segments)), BATCH_SIZE)
            shares = torch.cat([net(block).softmax(dim=1) for block in blocks]).numpy()
        return np.tensordot(shares, means, axes=1).astype(np.float32)

    weights = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    report = {
        f"validation_{data.measure.name}": data.validate(predict),
        "accuracy_on_the_training_part": float((named_songs(net, images) == numbers).double().mean()),
        "songs": names,
        "segments": len(songs),
    }
    return {**weights, "means": means}, report
