"""Reproduce the paper's ablations: `mini` trains them on a small dataset, `table` shows them.

Example: python tools/reproduce.py mini --data-root data/deeppcb --out work_dirs/mini/results
         python tools/reproduce.py table work_dirs/mini/results --html table.html
         python tools/reproduce.py table work_dirs      # of whole rows, trained on COCO
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tasks = parser.add_subparsers(dest="task", required=True)
    mini = tasks.add_parser("mini", help="train the ablations on a small COCO-format dataset")
    mini.add_argument("--data-root", type=Path, required=True, help="annotations/ and images/")
    mini.add_argument("--rows", nargs="+", default=[], metavar="ROW", help="all without any")
    mini.add_argument(
        "--seeds", type=int, help="of each row; without it 3 where a claim is tested, else 1"
    )
    mini.add_argument("--iterations", type=int, default=600)
    mini.add_argument("--out", type=Path, default=Path("work_dirs/mini/results"))
    mini.add_argument("--work-dirs", type=Path, default=Path("work_dirs/mini"))
    mini.add_argument("--jobs", type=int, default=1, help="trainings at once")
    mini.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="of every row: an experiment, with an --out of its own",
    )
    table = tasks.add_parser("table", help="show runs with the paper's numbers beside")
    table.add_argument("results", type=Path, help="folder of `mini --out`, or of rows' work dirs")
    table.add_argument("--markdown", type=Path, help="file to write")
    table.add_argument("--html", type=Path, help="file to write")
    return parser.parse_args()


def main() -> int:
    """Parses, then hands over to the package."""
    arguments = vars(parse_arguments())
    sys.path.insert(0, str(HERE.parent))
    configs = HERE.parent / "configs"
    try:
        from retina_plugin.analysis.reproduction.miniature import miniature
        from retina_plugin.analysis.reproduction.tables import table
    except ImportError as error:
        sys.exit(f"error: {error}")
    if arguments.pop("task") == "table":
        return table(configs=configs, **arguments)
    return miniature(configs=configs, train_script=HERE / "train.py", **arguments)


if __name__ == "__main__":
    sys.exit(main())
