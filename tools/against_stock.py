"""Train a config and MMDetection's own RetinaNet on the same data and seeds, and compare AP.

Example: python tools/against_stock.py configs/retinanet_custom.py --out work_dirs/against_stock \
    --cfg-options data_root=FOLDER
"""

import argparse
import sys
from pathlib import Path


def main() -> int:
    """Parses, then hands over to the package."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="path of a config file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--cfg-options", nargs="+", action="extend", metavar="KEY=VALUE", default=[]
    )
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    try:
        from retina_plugin.analysis.benchmark.paired_runs import against_stock
    except ImportError as error:
        sys.exit(f"error: {error}")
    train_script = Path(__file__).with_name("train.py")
    return against_stock(train_script=train_script, **vars(arguments))


if __name__ == "__main__":
    sys.exit(main())
