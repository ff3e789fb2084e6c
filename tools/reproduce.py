"""Reproduce the paper's ablations: `mini` trains them on a small dataset, `table` shows them.

`experiment` shows some of them beside the same with something changed.

Example: python tools/reproduce.py mini --data-root data/deeppcb
         python tools/reproduce.py table work_dirs/mini --html table.html
         python tools/reproduce.py table work_dirs      # of whole rows, trained on COCO
         python tools/reproduce.py mini --data-root data/deeppcb --iterations 1200 --out longer
         python tools/reproduce.py experiment work_dirs/mini longer
"""

import argparse
import sys
from functools import partial
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
    mini.add_argument(
        "--rows", nargs="+", action="extend", default=[], metavar="ROW", help="all without any"
    )
    mini.add_argument(
        "--seeds", type=int, help="of each row; without it 3 where a claim is tested, else 1"
    )
    mini.add_argument("--iterations", type=int, default=900)
    mini.add_argument("--out", type=Path, default=Path("work_dirs/mini"), help="for results")
    mini.add_argument("--work-dirs", type=Path, help="work_dirs/NAME, with the name of --out")
    mini.add_argument("--jobs", type=int, default=1, help="trainings at once")
    mini.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="of every row: an experiment, with an --out of its own",
    )
    table = tasks.add_parser("table", help="show runs with the paper's numbers beside")
    table.add_argument("results", type=Path, help="folder of `mini --out`, or of rows' work dirs")
    experiment = tasks.add_parser(
        "experiment", help="show runs of `mini` beside those with other options or iterations"
    )
    experiment.add_argument("before", type=Path, help="folder of `mini --out`")
    experiment.add_argument("after", type=Path, help="the same of the experiment")
    for task in (table, experiment):
        task.add_argument("--markdown", type=Path, help="file to write")
        task.add_argument("--html", type=Path, help="file to write")
    return parser.parse_args()


def main() -> int:
    """Parses, then hands over to the package."""
    arguments = vars(parse_arguments())
    sys.path.insert(0, str(HERE.parent))
    configs = HERE.parent / "configs"
    try:
        from retina_plugin.analysis.reproduction.experiment import experiment
        from retina_plugin.analysis.reproduction.miniature import miniature
        from retina_plugin.analysis.reproduction.tables import table
    except ImportError as error:
        sys.exit(f"error: {error}")
    tasks = {
        "mini": partial(miniature, train_script=HERE / "train.py"),
        "table": table,
        "experiment": experiment,
    }
    return tasks[arguments.pop("task")](configs=configs, **arguments)


if __name__ == "__main__":
    sys.exit(main())
