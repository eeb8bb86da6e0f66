"""Which losses and targets a training had: a number in its record, since a recipe names them and no more.

none  records older than the number
2     `losses.info_nce` is DMF2Mel's own, which compares bands time for time; before, whole crops.
      ``mel80`` and ``magnitude`` are computed from each crop's mixed, z-scored audio and not scaled
      again; before, each was computed from the stimulus, mixed, and z-scored.
"""

TRAINING_VERSION = 2
