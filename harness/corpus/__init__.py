"""Corpora read in place: SparrKULee's layouts, the DTU trials, the simulated corpus."""

from harness.corpus.base import Corpus, Recording
from harness.corpus.locate import open_corpus

__all__ = ["Corpus", "Recording", "open_corpus"]
