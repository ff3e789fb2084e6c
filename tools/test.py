"""Evaluates a detector: `python tools/test.py CONFIG FILE` is `mim test retina_plugin ...`."""

import argparse
import sys
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    """The command line, in MMEngine's manner."""
    parser = argparse.ArgumentParser(description="Evaluate a detector.")
    parser.add_argument("config", help="path of a config file")
    parser.add_argument("checkpoint", help="path or https address of a checkpoint")
    parser.add_argument("--work-dir", help="where the log goes (work_dirs/CONFIG)")
    parser.add_argument("--out", metavar="FILE.pkl", help="write the detections to this file")
    parser.add_argument("--show", action="store_true", help="show each image with its detections")
    parser.add_argument("--show-dir", help="write each image with its detections to this folder")
    parser.add_argument("--wait-time", type=float, default=2, help="seconds per image of --show")
    parser.add_argument("--tta", action="store_true", help="test-time augmentation")
    parser.add_argument(
        "--cfg-options", nargs="+", action="extend", metavar="KEY=VALUE", default=[]
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    return parser.parse_args()


def main() -> int:
    """Parses, then hands over to the package."""
    arguments = parse_arguments()
    # A checkout's tool uses the checkout's package, even where another one is installed.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    try:
        # Only here: -h must not wait for torch.
        from retina_plugin.engine.launch import test
    except ImportError as error:
        sys.exit(f"error: {error}")
    return test(**vars(arguments))


if __name__ == "__main__":
    sys.exit(main())
