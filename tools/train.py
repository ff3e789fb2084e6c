"""Trains a detector: `python tools/train.py CONFIG` is `mim train retina_plugin CONFIG`."""

import argparse
import sys
import time
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    """The command line, in MMEngine's manner."""
    parser = argparse.ArgumentParser(description="Train a detector.")
    parser.add_argument("config", help="path of a config file")
    parser.add_argument("--work-dir", help="where logs and checkpoints go (work_dirs/CONFIG)")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="latest",
        metavar="CHECKPOINT",
        help="go on from CHECKPOINT; from the last one in the work dir if none is named; "
        "'auto' starts afresh where there is none",
    )
    parser.add_argument("--amp", action="store_true", help="mixed precision, on a GPU or a CPU")
    parser.add_argument(
        "--cfg-options", nargs="+", action="extend", metavar="KEY=VALUE", default=[]
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    return parser.parse_args()


def main() -> int:
    """Parses, then hands over to the package."""
    began = time.monotonic()  # before the imports, which `minutes` counts too
    arguments = parse_arguments()
    # A checkout's tool uses the checkout's package, even where another one is installed.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    try:
        # Only here: -h must not wait for torch.
        from retina_plugin.engine.launch import train
    except ImportError as error:
        sys.exit(f"error: {error}")
    return train(**vars(arguments), began=began)


if __name__ == "__main__":
    sys.exit(main())
