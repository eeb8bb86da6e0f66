"""Records side by side: boards, their ranking, comparisons, history and the papers' tables."""
