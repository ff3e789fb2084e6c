"""Draw the paper's figures: `curves` needs nothing, `loss` a config and its checkpoints.

`speed` takes the comparison.json of tools/compare.py, or draws the paper's points alone.

Example: python tools/figures.py curves
         python tools/figures.py loss CONFIG iter_*.pth --cfg-options data_root=FOLDER/
         python tools/figures.py speed work_dirs/compare/comparison.json
"""

import argparse
import sys
from functools import partial
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tasks = parser.add_subparsers(dest="task", required=True)
    curves = tasks.add_parser("curves", help="figures 1, 5 and 6: losses and derivatives")
    loss = tasks.add_parser("loss", help="figure 4, and p_t over several checkpoints")
    loss.add_argument("config", help="path of a config file")
    loss.add_argument("checkpoints", nargs="+", help="of one training; figure 4: the last")
    loss.add_argument("--images", type=int, default=200, help="of the validation set")
    loss.add_argument("--cfg-options", nargs="+", action="extend", metavar="KEY=VALUE", default=[])
    speed = tasks.add_parser("speed", help="figure 2: AP over the time of an image")
    speed.add_argument("comparisons", nargs="*", help="comparison.json of tools/compare.py")
    for task in (curves, loss, speed):
        task.add_argument("--out", type=Path, default=Path("work_dirs/figures"))
    return parser.parse_args()


def main() -> int:
    """Parses, then hands over to the package."""
    arguments = vars(parse_arguments())
    root = Path(__file__).resolve().parents[1]
    sys.path.insert(0, str(root))
    try:
        from retina_plugin.analysis.comparison.speed import speed
        from retina_plugin.analysis.figures.trained import curves, loss
    except ImportError as error:
        sys.exit(f"error: {error}")
    task = {"curves": curves, "loss": loss, "speed": partial(speed, configs=root / "configs")}
    return task[arguments.pop("task")](**arguments)


if __name__ == "__main__":
    sys.exit(main())
