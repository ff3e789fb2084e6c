"""Train a config and MMDetection's own RetinaNet on the same data and seeds, and compare AP.

Example: python tools/against_stock.py configs/retinanet_custom.py --out work_dirs/against_stock \
    --cfg-options data_root=FOLDER
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path


def main() -> None:
    """Parse the command line, run what is missing, print the table."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()

    from mmengine.config import Config, DictAction

    from retina_plugin.analysis.paired_runs import compare, print_table
    from retina_plugin.recipe import resolve

    options = ArgumentParser()
    options.add_argument("--cfg-options", nargs="*", action=DictAction, default={})
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(options.parse_args(["--cfg-options", *args.cfg_options]).cfg_options)
    typed = {pair.partition("=")[0] for pair in args.cfg_options}
    train_script = Path(__file__).with_name("train.py")
    runs = compare(resolve(cfg, typed=typed), train_script, args.out, args.seeds)
    print_table(runs, title=f"{Path(args.config).stem}, {len(args.seeds)} seeds")


if __name__ == "__main__":
    main()
