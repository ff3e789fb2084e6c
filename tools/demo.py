"""Trains and evaluates a small RetinaNet on scenes of handwritten digits; `make demo` runs it."""

import argparse
import sys
import time
from pathlib import Path


def main() -> int:
    """Parses, then hands over to the package."""
    started = time.time()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_out"), help="folder of all results")
    parser.add_argument("--minutes", type=float, default=10.0, help="for all of it (%(default)g)")
    parser.add_argument(
        "--began",
        type=float,
        default=started,
        metavar="SECONDS",
        help="when the minutes began, as `date +%%s` shows it (now)",
    )
    parser.add_argument(
        "--cfg-options", nargs="+", action="extend", metavar="KEY=VALUE", default=[]
    )
    arguments = parser.parse_args()

    try:
        from retina_plugin.demo import run_demo
        from retina_plugin.errors import UserError
    except ImportError as error:
        sys.exit(f"error: {error}; pip install 'retina_plugin[stock,mim,demo]' has all of it.")
    try:
        run_demo(arguments.out, arguments.cfg_options, arguments.minutes, arguments.began, started)
    except UserError as error:
        sys.exit(f"error: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
