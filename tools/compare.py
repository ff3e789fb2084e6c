"""Compare models: ours and those of MMDetection's zoo, in one table and plot.

AP by size, parameters, FLOPs, time of an image and memory, measured in one run; beside them what
the models' metafiles say and, with --published, what papers print.

Example: python tools/compare.py configs/retinanet_r50.py mmdet::atss/atss_r50_fpn_1x_coco.py
         python tools/compare.py CONFIG=CHECKPOINT CONFIG=CHECKPOINT --data-root FOLDER
         python tools/compare.py configs/compare/*.py --data-root FOLDER --minutes 30 --published
"""

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="CONFIG[=CHECKPOINT]",
        help="a config file, or mmdet::FOLDER/NAME.py of MMDetection's zoo",
    )
    parser.add_argument("--data-root", type=Path, help="annotations/ and images/, for all models")
    parser.add_argument(
        "--recipe", type=Path, help="config with data and pipelines for all (retinanet_custom.py)"
    )
    parser.add_argument("--minutes", type=float, help="train each model without weights this long")
    parser.add_argument("--amp", action="store_true", help="train all of them in mixed precision")
    parser.add_argument(
        "--published", nargs="*", type=Path, metavar="FILE", help="the paper's, without a file"
    )
    parser.add_argument("--images", type=int, default=8, help="that are timed, in turn")
    parser.add_argument("--repeats", type=int, default=24, help="timed calls of each model")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/compare"))
    parser.add_argument(
        "--cfg-options", nargs="+", action="extend", metavar="KEY=VALUE", default=[]
    )
    return parser.parse_args()


def main() -> int:
    """Parses, then hands over to the package."""
    arguments = vars(parse_arguments())
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # the profiler tells of each start and stop
    sys.path.insert(0, str(HERE.parent))
    try:
        from retina_plugin.analysis.comparison import compare
    except ImportError as error:
        sys.exit(f"error: {error}")
    configs = HERE.parent / "configs"
    return compare(configs=configs, train_script=HERE / "train.py", **arguments)


if __name__ == "__main__":
    sys.exit(main())
