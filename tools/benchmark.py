"""Measure stock MMDetection's RetinaNet and ours in one process, by turns.

Example: python tools/benchmark.py loss assignment --gts 8 --out work_dirs/benchmark
         python tools/benchmark.py assigner --vary gts --values 1 8 50 200 800
         python tools/benchmark.py nms --vary candidates --values 100 1000 5000
"""

import argparse
import os
import sys
from pathlib import Path

STAGES = (
    "loss",
    "assignment",
    "assigner",
    "targets",
    "predict",
    "nms",
    "train",
    "inference",
    "inferencer",
    "evaluation",
)
SIZES = {
    "height": 800,
    "width": 1344,
    "batch": 1,
    "classes": 80,
    "gts": 8,
    "depth": 50,
    "images": 1000,
    "candidates": 5000,
}


def main() -> int:
    """Parses, then hands over to the package."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="*", help=f"of {', '.join(STAGES)}; all if none is named")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/benchmark"))
    parser.add_argument("--repeats", type=int, default=7, help="counted calls of each case")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--vary", choices=SIZES, help="measure at several of one size")
    parser.add_argument("--values", type=int, nargs="+", help="of the size that varies")
    arguments = parser.parse_args()
    unknown = set(arguments.stages) - set(STAGES)
    if unknown:
        parser.error(f"stages are {', '.join(STAGES)}, not {', '.join(sorted(unknown))}")
    if bool(arguments.vary) != bool(arguments.values):
        parser.error("--vary and --values go together")
    arguments.stages = arguments.stages or list(STAGES)
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # the profiler tells of each start and stop
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    try:
        from retina_plugin.analysis.benchmark.benchmark import benchmark
    except ImportError as error:
        sys.exit(f"error: {error}")
    return benchmark(**vars(arguments))


if __name__ == "__main__":
    sys.exit(main())
