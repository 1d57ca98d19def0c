"""Times a comparison from its submission to its report: `python -m benchmarks.comparison`.

breast_cancer, seven techniques, 30 trials each, 10 × 5 confirmation fits, the test part, the report; on two workers,
through REST, after start-up.
"""

from __future__ import annotations

import time

from benchmarks.server import serving
from benchmarks.workloads import document
from service.storage.states import ACTIVE_COMPARISON


def main() -> None:
    """Print the seconds to the comparison's end and to the report."""
    study = document("breast_cancer", 1, name="compared") | {"comparison": {}}
    with serving(workers=2) as client:
        start = time.perf_counter()
        client.submit(study)
        while (comparison := client.comparison("compared")).state in ACTIVE_COMPARISON:
            time.sleep(0.25)
        seconds = time.perf_counter() - start
        report = client.report("compared")
        whole = time.perf_counter() - start
    fits = sum(part.progress.complete for part in comparison.parts)
    print(f"the comparison is {comparison.state} after {seconds:.1f} s ({fits} trials), its report after {whole:.1f} s")
    print(f"the report has {len(report) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
