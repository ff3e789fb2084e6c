"""Which trainings reproduce the paper's ablations in miniature."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...errors import UserError
from .claims import CE, FOCAL_AS_OHEM, GAMMAS, USUAL

PREFIX = "mini_"
CROSS_ENTROPY = "retina_plugin.SigmoidCrossEntropyLoss"
GAMMA_0 = {
    "type": "retina_plugin.FocalLoss",
    "gamma": 0.0,
    "use_sigmoid": True,
    "loss_weight": 1.0,
}
# Rows that a claim of the paper compares; each is trained with three seeds.
CLAIMED = (
    *(USUAL, CE, *GAMMAS),
    *("table1a_alpha0p25", "table1a_alpha0p50", "table1a_alpha0p75"),  # of the alphas the best
    *("appendix_fl_star_2_1", "appendix_fl_star_4_0"),
    FOCAL_AS_OHEM,
    *("table1d_ohem_128_nms0p5", "table1d_ohem_128_nms0p7"),  # of both the better
    "table1d_ohem1to3_128_nms0p5",
    *("table1c_scales1_ratios1", "table1c_scales3_ratios3"),
    *("section4_pi0p001", "section4_pi0p1"),
)
SEEDS = 3


@dataclass(frozen=True)
class Run:
    """A row with a seed; rows that train the same share their runs."""

    row: str
    seed: int
    same: tuple[str, ...] = ()  # other rows that it stands for
    settings: str = ""  # digest of their config

    @property
    def rows(self) -> tuple[str, ...]:
        """All that it stands for."""
        return self.row, *self.same

    @property
    def name(self) -> str:
        """Of its file of figures, and of its work dir."""
        return f"{self.row}_seed{self.seed}"


def rows_in(folder: Path) -> dict[str, Path]:
    """The config of each row.

    Raises:
        UserError: there is none.
    """
    paths = sorted(folder.glob("*.py"), key=lambda path: ("table" not in path.stem, path.stem))
    found = {path.stem.removeprefix(PREFIX): path for path in paths}
    if not found:
        raise UserError(f"there are no configs in {folder}.")
    return found


def digests_of(configs: dict[str, Path]) -> dict[str, str]:
    """A digest of each row's whole config, equal for rows that train the same."""
    return {row: _digest(path) for row, path in configs.items()}


def groups_of(digests: dict[str, str]) -> list[list[str]]:
    """Rows that train the same, together: CE with alpha .75 is in three tables."""
    groups: dict[str, list[str]] = {}
    for row, digest in digests.items():
        groups.setdefault(digest, []).append(row)
    return list(groups.values())


def planned(digests: dict[str, str], rows: list[str], seeds: int | None) -> list[Run]:
    """The runs, those of the first seed first.

    Args:
        digests: of all rows.
        rows: those that are asked for; none for all.
        seeds: of each row; without it three for the rows of a claim, one for others.

    Raises:
        UserError: an unknown row.
    """
    for row in rows:
        if row not in digests:
            raise UserError(f"there is no row {row}: choose from {', '.join(digests)}.")
    runs = []
    for first, *same in groups_of(digests):
        asked = {first, *same} & set(rows or digests)
        if asked:
            count = seeds or (SEEDS if asked & set(CLAIMED) else 1)
            runs += [Run(first, seed, tuple(same), digests[first]) for seed in range(count)]
    return sorted(runs, key=lambda run: run.seed)


def _digest(config: Path) -> str:
    content = Config.fromfile(config).to_dict()
    loss = content.get("model", {}).get("bbox_head", {}).get("loss_cls", {})
    if loss.get("type") == CROSS_ENTROPY:  # is the other to the last bit
        loss.update({**GAMMA_0, **loss, "type": GAMMA_0["type"]})
    return hashlib.sha256(json.dumps(_sorted(content)).encode()).hexdigest()[:12]


def _sorted(content: Any) -> Any:
    """Nested dicts by their keys, lists and tuples as one kind."""
    if isinstance(content, dict):
        return {key: _sorted(content[key]) for key in sorted(content)}
    return [_sorted(each) for each in content] if isinstance(content, list | tuple) else content
