"""A box that is none among the objects of a batch: which anchors the others keep, and the loss."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from mmdet.models.task_modules import MaxIoUAssigner
from mmengine.structures import InstanceData
from torch import Tensor

from ..analysis.benchmark.setting import Setting, grid_of, metas_of
from ..anchors import AnchorGrid
from ..head import RetinaHead
from ..targets import batch_codes
from .row import Outcome, Row, tally

SETTING = Setting(height=96, width=128, batch=2, classes=3)
MOST = 5  # other boxes of an image
FORMS = ("plain", "windowed", "masked")
NAN, INF = torch.nan, torch.inf

# What becomes of a box (x1, y1, x2, y2).
KINDS: dict[str, Callable[..., list]] = {
    "no width": lambda x1, y1, x2, y2: [x1, y1, x1, y2],
    "no height": lambda x1, y1, x2, y2: [x1, y2, x2, y2],
    "a point": lambda x1, y1, x2, y2: [x1, y1, x1, y1],
    "at the corner": lambda *_: [0, 0, 0, 0],
    "inverted": lambda x1, y1, x2, y2: [x2, y2, x1, y1],
    "mirrored": lambda x1, y1, x2, y2: [x2, y1, x1, y2],
    "outside": lambda *box: [value + 1e5 for value in box],
    "without end": lambda x1, y1, x2, y2: [x1, y1, INF, y2],
    "all infinite": lambda *_: [-INF, -INF, INF, INF],
    "overflowing": lambda *_: [-1e30, -1e30, 1e30, 1e30],
    "one NaN": lambda x1, y1, x2, y2: [x1, NAN, x2, y2],
    "all NaN": lambda *_: [NAN] * 4,
}
CASES = tuple(product(range(10), KINDS, FORMS, (True, False)))


@dataclass(frozen=True)
class Batch:
    """Boxes of two images, and where one of them gets a box more."""

    gts: list[InstanceData]
    image: int
    place: int

    def with_box(self, kind: str) -> list[InstanceData]:
        """The same with a box of that kind, made of one that was right, in its place."""
        gt = self.gts[self.image]
        box = gt.bboxes.new_tensor([10.0, 20.0, 70.0, 60.0])
        bad = gt.bboxes.new_tensor([KINDS[kind](*box.tolist())])
        more = InstanceData(
            bboxes=torch.cat([gt.bboxes[: self.place], bad, gt.bboxes[self.place :]]),
            labels=torch.cat(
                [gt.labels[: self.place], gt.labels.new_zeros(1), gt.labels[self.place :]]
            ),
        )
        return [more if i == self.image else each for i, each in enumerate(self.gts)]

    def shifted(self, codes: Tensor) -> Tensor:
        """Codes (N, R) as they are when the other boxes make room for it."""
        codes = codes.clone()
        codes[self.image] += codes[self.image] >= self.place
        return codes


def draw_batch(seed: int, device: str) -> Batch:
    """0 to 5 boxes of 8 to 100 px an image, some of them outside of it in part."""
    generator = torch.Generator().manual_seed(seed)
    gts = []
    for count in torch.randint(MOST + 1, (SETTING.batch,), generator=generator).tolist():
        size = torch.rand(count, 2, generator=generator) * 92 + 8
        corner = torch.rand(count, 2, generator=generator) * 110 - 10
        labels = torch.randint(SETTING.classes, (count,), generator=generator)
        boxes = torch.cat([corner, corner + size], dim=1)
        gts.append(InstanceData(bboxes=boxes.to(device), labels=labels.to(device)))
    image = int(torch.randint(SETTING.batch, (), generator=generator))
    place = int(torch.randint(len(gts[image].labels) + 1, (), generator=generator))
    return Batch(gts, image, place)


def make_head(form: str, low_quality: bool) -> RetinaHead:
    """A head that only assigns and computes losses."""
    assigner = {"type": "retina_plugin.AnchorAssigner", "match_low_quality": low_quality}
    return RetinaHead(
        SETTING.classes,
        4,
        stacked_convs=0,
        form=form,
        train_cfg={"assigner": assigner},
    )


def losses(head: RetinaHead, grid: AnchorGrid, gts: list[InstanceData]) -> list[Tensor]:
    """Both losses of fixed predictions and the gradients of these."""
    generator = torch.Generator().manual_seed(0)

    def predictions(width: int) -> list[Tensor]:
        shapes = [(SETTING.batch, len(level), width) for level in grid.levels]
        values = [torch.randn(shape, generator=generator) for shape in shapes]
        return [value.to(grid.flat().device).requires_grad_() for value in values]

    logits, deltas = predictions(SETTING.classes), predictions(4)
    computed = head.loss_by_feat(logits, deltas, grid, gts, metas_of(SETTING))
    total = torch.stack(list(computed.values())).sum()
    return [*computed.values(), *torch.autograd.grad(total, [*logits, *deltas])]


def _trial(head: RetinaHead, seed: int, kind: str) -> str | None:
    device = "cuda" if head.form == "masked" and torch.cuda.is_available() else "cpu"
    grid = grid_of(Setting(SETTING.height, SETTING.width, device=device))
    batch = draw_batch(seed, device)
    bad = batch.with_box(kind)
    before, after = (
        batch_codes(head.assigner, grid, None, gts, [None] * SETTING.batch, head.form)
        for gts in (batch.gts, bad)
    )
    changed = int((batch.shifted(before) != after).sum())
    if changed:
        return f"{changed} of {after.numel()} anchors change"
    wanted, got = losses(head, grid, batch.gts), losses(head, grid, bad)
    if not all(value.isfinite().all() for value in got):
        return "loss or gradient not finite"
    same = all(torch.equal(*pair) for pair in zip(got, wanted, strict=True))
    return None if same else "loss or gradient changes"


def _results(trials: int, make: Callable[..., Any]) -> Iterator[str | None]:
    for number in range(trials):
        seed, kind, form, low_quality = CASES[number % len(CASES)]
        seed += number // len(CASES) * 1000
        failure = _trial(make(form, low_quality), seed, kind)
        where = f"{kind}, {form}, low quality {low_quality}, seed {seed}"
        yield f"{where}: {failure}" if failure else None


def _ours(trials: int) -> Outcome:
    return tally(_results(trials, make_head), f"{len(KINDS)} kinds of box, {len(FORMS)} forms")


def _stock(trials: int) -> Outcome:
    def make(_: str, low_quality: bool) -> RetinaHead:
        """Our losses of what MMDetection's assigner says."""
        head = make_head("plain", low_quality)
        head.assigner = MaxIoUAssigner(
            pos_iou_thr=0.5,
            neg_iou_thr=0.4,
            min_pos_iou=0,
            ignore_iof_thr=-1,
            match_low_quality=low_quality,
        )
        return head

    return tally(_results(trials, make))


ROWS = (
    Row(
        "N3",
        "a degenerate or NaN box among others: their anchors, loss and gradients stay",
        _ours,
        trials=len(CASES),
        quick=216,
        stock=_stock,
        stock_trials=72,
    ),
)
