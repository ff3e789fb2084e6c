"""Writes scenes of handwritten digits over photographs as a COCO-format folder."""

import argparse
from pathlib import Path


def main() -> None:
    """Parses, then hands over to the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=2400, help="training scenes")
    parser.add_argument("--val", type=int, default=200, help="validation scenes")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    from retina_plugin.data.scenes import make_scenes

    make_scenes(arguments.folder, arguments.train, arguments.val, arguments.seed)


if __name__ == "__main__":
    main()
