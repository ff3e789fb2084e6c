"""Make faults on purpose and count what comes of them, stock MMDetection beside ours.

Example: python tools/torture.py --quick
         python tools/torture.py R1 R2 --trials 50 --out work_dirs/torture.json
"""

import argparse
import os
import sys
from pathlib import Path


def main() -> int:
    """Parses, then hands over to the package."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", help="such as R1 or S1; all if none is named")
    parser.add_argument("--quick", action="store_true", help="few trials of the short rows, ours")
    parser.add_argument("--trials", type=int, help="of each row, in place of its own number")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/torture.json"))
    arguments = parser.parse_args()
    if arguments.trials is not None and arguments.trials < 1:
        parser.error("--trials expects 1 or more")
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # the profiler tells of each start and stop
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    try:
        from retina_plugin.faults.torture import torture
    except ImportError as error:
        sys.exit(f"error: {error}")
    return torture(**vars(arguments))


if __name__ == "__main__":
    sys.exit(main())
