"""What a run may use where nobody says otherwise, as SECURITY.md tells strangers."""

from __future__ import annotations

from conftest import REPOSITORY

from harness.execution import Run


def test_the_limits_by_default_are_those_of_the_document():
    section = (REPOSITORY / "SECURITY.md").read_text().partition("\n## Limits\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    said = {what.strip().partition(",")[0]: default.strip() for what, default, *_ in rows[2:]}
    run = Run()
    assert said == {
        "Wall clock of the run": f"{run.seconds / 3600:g} hour",
        "Memory of all its processes": f"{run.memory_bytes / 2**30:g} GiB",
        "CPU time of each process": "wall clock times cores",
        "Processes and threads": f"{run.processes}",
        "Open files of each process": f"{run.open_files:,}",
        "One file": f"{run.file_bytes / 2**20:g} MiB",
        "All files": f"{run.disk_bytes / 2**30:g} GiB and {run.files:,} files",
        "Output": f"{run.output_bytes / 2**20:g} MiB",
    }
    assert (run.cpu_seconds, run.jobs, run.isolation) == (None, None, "strongest")
