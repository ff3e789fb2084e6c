"""Runs a tool of MMDetection's own, also on mmcv-lite, where most of them do not start.

`python tools/mmdet_tool.py TOOL ARGUMENTS` is `mim run retina_plugin mmdet_tool TOOL ARGUMENTS`,
and does what `mim run mmdet TOOL ARGUMENTS` does where mmcv is compiled. TOOL is the name of a
file in MMDetection's folder tools/, such as browse_dataset.
"""

import argparse
import sys
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    """The tool's name; what follows is the tool's own."""
    parser = argparse.ArgumentParser(
        description="Run a tool of MMDetection's, with the operators that mmcv-lite lacks."
    )
    parser.add_argument("tool", help="such as test, browse_dataset, confusion_matrix, get_flops")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the tool takes")
    return parser.parse_args()


def main() -> int:
    """Parses, then hands over to the package."""
    given = parse_arguments()
    # A checkout's tool uses the checkout's package, even where another one is installed.
    sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
    try:
        # Only here: -h must not wait for torch.
        from retina_plugin.engine.mmdet_tools import run_tool
        from retina_plugin.engine.runner import end_in_a_sentence
    except ImportError as error:
        sys.exit(f"error: {error}")
    end_in_a_sentence()
    run_tool(given.tool, given.arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
