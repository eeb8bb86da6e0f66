"""Commands of the harness as jobs: in processes of this machine, or on a cluster by SLURM."""
