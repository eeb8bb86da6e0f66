"""The simulated listeners: a round head, what is in it, and how subjects differ.

The head is a unit sphere: x right, y front, z up. Sources are current dipoles inside it, EEG
channels lie on its upper part. Every subject has the same anatomy up to a jitter of places,
directions, latencies and gains, so that what is learned from some subjects carries over to others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

N_EEG_CHANNELS: Final = 64  # as a BioSemi cap has
N_PINK_SOURCES: Final = 24
# How much a subject differs from the shared anatomy.
LATENCY_JITTER_SECONDS: Final = 0.006
LATENCY_LIMIT_SECONDS: Final = 0.02
GAIN_SPREAD: Final = 0.25
PLACE_JITTER: Final = 0.04
DIRECTION_JITTER: Final = 0.15


@dataclass(frozen=True)
class Source:
    """A patch of cortex that follows sound. The head is a unit sphere: x right, y front, z up.

    Attributes:
        place: where it is.
        direction: of its current; tangential auditory sources show at the top of the head.
        best_band: the mel band that drives it most (tonotopy).
        delay_seconds: added to every component: later stages answer later.
    """

    place: tuple[float, float, float]
    direction: tuple[float, float, float]
    best_band: float
    delay_seconds: float


AUDITORY_SOURCES: Final = (
    Source((-0.55, 0.05, 0.05), (0.2, 0.4, 0.9), 1.0, 0.0),
    Source((0.55, 0.05, 0.05), (-0.2, 0.4, 0.9), 3.0, 0.0),
    Source((-0.6, -0.05, 0.1), (-1.0, 0.1, 0.2), 5.0, 0.01),
    Source((0.6, -0.05, 0.1), (1.0, 0.1, 0.2), 7.0, 0.01),
    Source((0.0, 0.35, 0.5), (0.0, 0.3, 0.9), 9.0, 0.03),
)
# Rhythms that speech modulates: sensorimotor, temporal and parietal places.
RHYTHM_PLACES: Final = (
    (-0.45, 0.0, 0.6),
    (0.45, 0.0, 0.6),
    (-0.65, -0.1, 0.1),
    (0.65, -0.1, 0.1),
    (0.0, -0.5, 0.55),
    (0.0, 0.4, 0.6),
)
OCCIPITAL_PLACES: Final = ((-0.25, -0.7, 0.1), (0.25, -0.7, 0.1))
EYES: Final = ((-0.3, 0.95, -0.25), (0.3, 0.95, -0.25))


@dataclass(frozen=True)
class Listener:
    """One subject: how sources reach the EEG channels, and how the subject differs.

    Attributes:
        auditory, rhythms, pink, occipital, eyes: (n_channels, n_sources) gains.
        latency_seconds: added to every response.
        evoked_gain, induced_gain: relative to the average subject.
    """

    auditory: NDArray[Any]
    rhythms: NDArray[Any]
    pink: NDArray[Any]
    occipital: NDArray[Any]
    eyes: NDArray[Any]
    latency_seconds: float
    evoked_gain: float
    induced_gain: float


def listener(rng: np.random.Generator) -> Listener:
    """Draw one subject."""
    latency = float(rng.normal(0, LATENCY_JITTER_SECONDS))
    return Listener(
        auditory=_gains(
            np.array([source.place for source in AUDITORY_SOURCES]),
            np.array([source.direction for source in AUDITORY_SOURCES]),
            rng,
        ),
        rhythms=_gains(np.array(RHYTHM_PLACES), np.array(RHYTHM_PLACES), rng),
        pink=_gains(*_anywhere(rng), rng),
        occipital=_gains(np.array(OCCIPITAL_PLACES), np.array(OCCIPITAL_PLACES), rng),
        eyes=_gains(np.array(EYES), np.array([[0.0, 0.6, 0.8]] * 2), rng),
        latency_seconds=float(np.clip(latency, -LATENCY_LIMIT_SECONDS, LATENCY_LIMIT_SECONDS)),
        evoked_gain=float(rng.lognormal(0, GAIN_SPREAD)),
        induced_gain=float(rng.lognormal(0, GAIN_SPREAD)),
    )


def _channel_places() -> NDArray[Any]:
    """Places on the upper head, (n_channels, 3), evenly spread along a spiral from the top down."""
    index = np.arange(N_EEG_CHANNELS)
    height = 1 - 1.25 * (index + 0.5) / N_EEG_CHANNELS
    turn = index * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)


def _anywhere(rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Places inside the head and directions of the pink sources, two arrays (n_sources, 3)."""
    places = rng.standard_normal((N_PINK_SOURCES, 3))
    places *= rng.uniform(0.3, 0.8, (N_PINK_SOURCES, 1)) / np.linalg.norm(places, axis=1, keepdims=True)
    places[:, 2] = np.abs(places[:, 2])
    return places, rng.standard_normal((N_PINK_SOURCES, 3))


def _gains(places: NDArray[Any], directions: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Field of current dipoles at the EEG channels, (n_channels, n_sources), with the subject's jitter.

    The field of a dipole in a homogeneous medium, re-referenced to the average of the channels,
    each source scaled to unit root mean square: smooth, and good enough for a head that is round.
    """
    places = places + PLACE_JITTER * rng.standard_normal(places.shape)
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    directions = directions + DIRECTION_JITTER * rng.standard_normal(directions.shape)
    away = _channel_places()[:, np.newaxis] - places
    # Half a radius is added to every distance: the skull blurs.
    distance = np.linalg.norm(away, axis=2) + 0.5
    field = (away * directions).sum(axis=2) / distance**3
    field -= field.mean(axis=0)
    scaled: NDArray[Any] = field / np.sqrt(np.mean(field**2, axis=0))
    return scaled
