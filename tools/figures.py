"""Draw the paper's figures: `curves` needs nothing, `loss` a config and its checkpoints.

Example: python tools/figures.py curves
         python tools/figures.py loss CONFIG iter_*.pth --cfg-options data_root=FOLDER/
"""

import argparse
import sys
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
    loss.add_argument("checkpoints", nargs="+", help="in the order of training; figure 4: the last")
    loss.add_argument("--images", type=int, default=200, help="of the validation set")
    loss.add_argument("--cfg-options", nargs="+", metavar="KEY=VALUE", default=[])
    for task in (curves, loss):
        task.add_argument("--out", type=Path, default=Path("work_dirs/figures"))
    return parser.parse_args()


def main() -> int:
    """Parses, then hands over to the package."""
    arguments = vars(parse_arguments())
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    try:
        from retina_plugin.analysis.figures.trained import curves, loss
    except ImportError as error:
        sys.exit(f"error: {error}")
    task = {"curves": curves, "loss": loss}[arguments.pop("task")]
    return task(**arguments)


if __name__ == "__main__":
    sys.exit(main())
