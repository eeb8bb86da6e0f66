"""Where EEG and a feature fit best, against a ridge in double precision, written from the description."""

from dataclasses import astuple

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from harness.tasks.alignment import alignment, moments

N_FAR = 120


def drifting(seconds, rate, *, seed=0, n_channels=3):
    """EEG (n_times, n_channels) of unlike size that answers a feature late, and the feature; both drift."""
    draw = np.random.default_rng(seed)
    n_times = round(seconds * rate)
    target = draw.standard_normal(n_times) + draw.standard_normal(n_times).cumsum() / 8
    late = np.roll(target, rate // 5)
    noise = (
        draw.standard_normal((n_times, n_channels))
        + draw.standard_normal((n_times, n_channels)).cumsum(0) / 8
    )
    return (0.4 * late[:, None] + noise) * [0.02, 3.0, 70.0][:n_channels], target


def slow(values, rate):
    """Between 0.5 and 9 Hz, twice through a filter of order 2; as it is at 18 Hz and below."""
    if rate <= 18:
        return values
    return sosfiltfilt(butter(2, [0.5, 9], "bandpass", fs=rate, output="sos"), values, axis=0)


def shifts_of(n_times, rate):
    """Every sixteenth of a second within a second to both sides; and 120 from 3 s on to 3 s before the end."""
    step = max(1, round(rate / 16))
    near = [shift for shift in range(-rate, rate + 1) if shift % step == 0]
    first, last = 3 * rate, n_times - 3 * rate
    return near, [int(first + number * (last - first) / (N_FAR - 1)) for number in range(N_FAR)]


def regressors(eeg, rate):
    """(n_times, n_lags * n_channels): each channel of deviation 1, now and at 7 times within a quarter second."""
    filtered = slow(eeg.astype(np.float64), rate)
    lags = sorted({round(number * rate / 4 / 7) for number in range(8)})
    n_times = len(eeg)
    columns = []
    for lag in lags:
        for channel in filtered.T:
            deviation = channel.std()
            later = channel[(np.arange(n_times) + lag) % n_times] - channel.mean()
            columns.append(later / (deviation if deviation > 0 else 1))
    return np.stack(columns, axis=1)


def quarters(eeg, target, rate):
    """Four pairs of regressors and shifted features without their means, a pair for each quarter of the time."""
    near, far = shifts_of(len(eeg), rate)
    filtered = slow(target, rate)
    n_times = len(eeg)
    shifted = filtered[(np.arange(n_times)[:, None] - [*near, *far]) % n_times]
    x = regressors(eeg, rate)
    for number in range(4):
        part = slice(n_times * number // 4, n_times * (number + 1) // 4)
        yield x[part] - x[part].mean(axis=0), shifted[part] - shifted[part].mean(axis=0)


def fitted(pairs):
    """The r of each shift: of each pair's decoder, the ridge of all other pairs."""
    everything = np.concatenate([x for x, _ in pairs])
    penalty = (everything**2).sum() / everything.shape[1] * np.eye(everything.shape[1])
    decoded = []
    for held in range(len(pairs)):
        x = np.concatenate([x for number, (x, _) in enumerate(pairs) if number != held])
        y = np.concatenate([y for number, (_, y) in enumerate(pairs) if number != held])
        decoded.append(pairs[held][0] @ np.linalg.solve(x.T @ x + penalty, x.T @ y))
    heard = np.concatenate([y for _, y in pairs])
    said = np.concatenate(decoded)
    return (said * heard).sum(axis=0) / np.sqrt((said**2).sum(axis=0) * (heard**2).sum(axis=0))


@pytest.mark.parametrize("rate", [18, 25, 32])
def test_moments_and_alignment_are_those_of_a_ridge_in_double_precision(rate):
    eeg, target = drifting(21, rate)
    pairs = list(quarters(eeg, target, rate))
    found = moments(eeg, target, rate)
    assert len(found) == 4
    for one, (x, y) in zip(found, pairs, strict=True):
        np.testing.assert_allclose(one.gram, x.T @ x, rtol=0, atol=1e-5 * len(x))
        np.testing.assert_allclose(one.product, x.T @ y, rtol=0, atol=1e-5 * len(x) * np.abs(y).max())
        np.testing.assert_allclose(one.power, (y**2).sum(axis=0), rtol=1e-5)
        assert (one.gram.dtype, one.product.dtype, one.power.dtype) == (np.float32, np.float32, np.float64)

    near, far = shifts_of(len(eeg), rate)
    r = fitted(pairs)
    z = (r[: len(near)] - r[len(near) :].mean()) / r[len(near) :].std()
    best = int(z.argmax())
    seen = alignment(found, rate, "envelope")
    assert len(far) == N_FAR
    assert seen.feature == "envelope"
    assert seen.lag_ms == near[best] * 1000 / rate
    assert (seen.r, seen.z, seen.z_unshifted) == pytest.approx((r[best], z[best], z[near.index(0)]), rel=2e-4)
    assert [lag for lag, _ in seen.curve] == [lag * 1000 / rate for lag in near]
    assert [score for _, score in seen.curve] == pytest.approx(z, abs=1e-3)


def test_twenty_seconds_are_enough_and_a_sample_less_is_not():
    eeg, target = drifting(20, 16)
    assert len(moments(eeg, target, 16)) == 4
    assert moments(eeg[:-1], target[:-1], 16) == []


def test_two_stretches_are_enough_and_one_is_not():
    eeg, target = drifting(21, 16)
    found = moments(eeg, target, 16)
    assert alignment(found[:1], 16) is None
    seen = alignment(found[:2], 16)
    pairs = list(quarters(eeg, target, 16))[:2]
    assert seen.r == pytest.approx(fitted(pairs)[:33].max(), rel=2e-4)
    assert seen.feature == ""


def test_channels_that_each_keep_a_value_of_their_own_do_not_vary():
    _, target = drifting(21, 16)
    assert moments(np.tile([1.0, 2.0, 3.0], (len(target), 1)), target, 16) == []


def test_channels_that_are_all_alike_are_looked_at():
    eeg, target = drifting(21, 16, n_channels=1)
    found = alignment(moments(np.repeat(eeg, 3, axis=1), target, 16), 16)
    pairs = list(quarters(np.repeat(eeg, 3, axis=1), target, 16))
    assert found.r == pytest.approx(fitted(pairs)[:33].max(), rel=2e-4)


@pytest.mark.parametrize("rate", [16, 32])
def test_offsets_of_channels_and_scales_of_the_feature_change_nothing(rate):
    eeg, target = drifting(21, rate)
    offsets = np.array([2e4, -3e6, 7e7])
    seen = alignment(moments(eeg, target, rate), rate)
    moved = alignment(moments(eeg + offsets, 1000 * target, rate), rate)
    assert astuple(moved)[1:5] == pytest.approx(astuple(seen)[1:5], rel=1e-3)


@pytest.mark.parametrize("rate", [16, 32])
@pytest.mark.parametrize("value", [3.0, -1e6])
def test_a_channel_that_keeps_one_value_is_as_one_of_zeros(rate, value):
    eeg, target = drifting(21, rate, n_channels=2)
    zeros, held = (moments(np.column_stack([eeg, np.full(len(eeg), v)]), target, rate) for v in (0.0, value))
    for one, other in zip(zeros, held, strict=True):
        np.testing.assert_array_equal(one.gram, other.gram)
        np.testing.assert_array_equal(one.product, other.product)
    assert not zeros[0].gram[2].any()
