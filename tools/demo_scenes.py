"""Writes scenes of handwritten digits over photographs as a COCO-format folder."""

import argparse
import sys
from pathlib import Path


def main() -> int:
    """Parses, then hands over to the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=2400, help="training scenes")
    parser.add_argument("--val", type=int, default=200, help="validation scenes")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    try:
        from retina_plugin.data.scene_files import make_scenes
    except ImportError as error:
        sys.exit(f"error: {error}; pip install 'retina_plugin[stock,demo]' has all of it.")
    make_scenes(arguments.folder, arguments.train, arguments.val, arguments.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
