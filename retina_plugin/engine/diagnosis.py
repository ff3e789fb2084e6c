"""Why an iteration was not finite: its facts in a folder, and the likely cause in words."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.runner import Runner
from torch import Tensor, nn

from ..head import RetinaHead
from ..normaliser import Normaliser
from ..precision import autocast_of
from .distributed import unwrapped
from .finite import Norms
from .level_losses import LevelLoss, losses_of_levels
from .running_statistics import RunningStatistics
from .safe_files import write_whole
from .seeding import generators_kept, seed_iteration

PAPER_RATE, PAPER_BATCH = 0.01, 16  # of SGD, section 4.1
HIGH = 2.0  # times the paper's rate
REPORT = "report.json"


@dataclass(frozen=True)
class Iteration:
    """What is kept of an iteration until its verdict has arrived."""

    index: int  # from 0
    batch: Any  # of the data loader
    losses: dict[str, Any]
    norms: Norms  # of gradients


class Cause(NamedTuple):
    """What probably went wrong, and what to do, as parts of a sentence."""

    text: str
    advice: str


@dataclass
class Facts:
    """What is known of an iteration that was not finite."""

    iteration: int  # from 1
    optimizer: str
    learning_rate: float
    images_per_step: int
    losses: dict[str, float]
    gradient_norms: dict[str, float]  # those that are not finite, else all
    weights_not_finite: list[str]
    images: list[dict[str, Any]] = field(default_factory=list)
    levels: list[LevelLoss] = field(default_factory=list)  # computed again
    losses_in_float32: dict[str, float] = field(default_factory=dict)
    not_computed: str = ""


def diagnose(runner: Runner, iteration: Iteration) -> tuple[Path, Cause]:
    """Write `report.json` into a folder of its own beside the log; gives folder and likely cause.

    Images with paths, boxes and labels, losses of the levels, positives, norms of gradients.
    Weights, statistics and random states stay as they are.
    """
    facts = _known(runner, iteration)
    try:
        with _unchanged(runner.model):
            _compute_again(runner, iteration, facts)
    except Exception as error:  # noqa: BLE001 (a report with less in it is still one)
        facts.not_computed = f"{type(error).__name__}: {error}"
    cause = likely_cause(facts)
    suffix = f"_rank_{get_rank()}" if get_world_size() > 1 else ""
    folder = Path(runner.log_dir) / f"not_finite_iter_{facts.iteration}{suffix}"
    content = {"cause": cause.text, "advice": cause.advice, **asdict(facts)}
    write_whole(folder / REPORT, json.dumps(content, indent=1).encode())
    return folder, cause


def _known(runner: Runner, iteration: Iteration) -> Facts:
    norms = dict(zip(iteration.norms.names, iteration.norms.values.tolist(), strict=True))
    bad = {name: norm for name, norm in norms.items() if not math.isfinite(norm)}
    optimizer = runner.optim_wrapper.optimizer
    wrapper = runner.optim_wrapper
    batch = len(iteration.batch["data_samples"]) * get_world_size()
    return Facts(
        iteration=iteration.index + 1,
        optimizer=type(optimizer).__name__,
        learning_rate=optimizer.param_groups[0]["lr"],
        images_per_step=batch * wrapper._accumulative_counts,
        losses=_numbers(iteration.losses),
        gradient_norms=bad or norms,
        weights_not_finite=[
            name
            for name, value in unwrapped(runner.model).state_dict().items()
            if value.is_floating_point() and not value.isfinite().all()
        ],
    )


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Put running statistics and random states back."""
    statistics = RunningStatistics(model)
    statistics.keep()
    with generators_kept(), torch.no_grad(), _of_this_process(model):
        try:
            yield
        finally:
            statistics.put_back()


@contextmanager
def _of_this_process(model: nn.Module) -> Iterator[None]:
    """Divide by the positives of this process: another one may fail before it gets there."""
    normaliser = getattr(getattr(unwrapped(model), "bbox_head", None), "normaliser", None)
    if not isinstance(normaliser, Normaliser) or normaliser.kind != "global":
        yield
        return
    normaliser.kind = "batch"
    try:
        yield
    finally:
        normaliser.kind = "global"


def _compute_again(runner: Runner, iteration: Iteration, facts: Facts) -> None:
    """The same batch with the same random numbers: pixels, positives, levels, float32."""
    model = unwrapped(runner.model)
    seed_iteration(runner, iteration.index)
    data = model.data_preprocessor(iteration.batch, True)
    inputs, samples = data["inputs"], data["data_samples"]
    facts.images = [_image(*each) for each in zip(inputs, samples, strict=True)]
    if isinstance(getattr(model, "bbox_head", None), RetinaHead):
        with runner.optim_wrapper.optim_context(model):
            x = model.extract_feat(inputs)
            facts.levels = losses_of_levels(model.bbox_head, x, samples)
    with autocast_of("float32", inputs.device.type):
        _, found = model.parse_losses(model(inputs, samples, mode="loss"))
    facts.losses_in_float32 = _numbers(found)


def _numbers(losses: dict[str, Any]) -> dict[str, float]:
    return {key: torch.as_tensor(value).detach().item() for key, value in losses.items()}


def _image(pixels: Tensor, sample: Any) -> dict[str, Any]:
    boxes = sample.gt_instances.bboxes
    boxes = getattr(boxes, "tensor", boxes)
    return {
        "path": sample.metainfo.get("img_path"),
        "id": sample.metainfo.get("img_id"),
        "shape": list(sample.metainfo.get("img_shape", ())),
        "pixels_finite": bool(pixels.isfinite().all()),
        "boxes": boxes.tolist(),  # xyxy
        "labels": sample.gt_instances.labels.tolist(),
    }


def likely_cause(facts: Facts) -> Cause:
    """The first explanation that the facts bear."""
    for explain in EXPLANATIONS:
        cause = explain(facts)
        if cause is not None:
            return cause
    raise AssertionError("the last explanation always holds")


def _weights(facts: Facts) -> Cause | None:
    if not facts.weights_not_finite:
        return None
    count = len(facts.weights_not_finite)
    return Cause(
        f"because {facts.weights_not_finite[0]} was not finite before it ({count} such tensors)",
        "load other weights, or a checkpoint from before",
    )


def _pixels(facts: Facts) -> Cause | None:
    for image in facts.images:
        if not image["pixels_finite"]:
            return Cause(
                f"because image {image['path']} has pixels that are not finite",
                "check the file and the transforms of train_pipeline",
            )
    return None


def _boxes(facts: Facts) -> Cause | None:
    for image in facts.images:
        for box in image["boxes"]:
            left, top, right, bottom = box
            if not all(map(math.isfinite, box)) or right <= left or bottom <= top:
                return Cause(
                    f"probably because image {image['path']} has the box {box}",
                    "correct that annotation",
                )
    return None


def _precision(facts: Facts) -> Cause | None:
    again = facts.losses_in_float32
    is_lower = any(not math.isfinite(each) for each in facts.losses.values())
    if not again or not is_lower or not all(map(math.isfinite, again.values())):
        return None
    return Cause(
        "because the precision was too low: the same batch is finite in float32",
        "set optim_wrapper.dtype=float32",
    )


def _rate(facts: Facts) -> Cause | None:
    expected = PAPER_RATE * facts.images_per_step / PAPER_BATCH
    if facts.optimizer != "SGD" or facts.learning_rate <= HIGH * expected:
        return None
    times = facts.learning_rate / expected
    return Cause(
        f"probably because the learning rate {facts.learning_rate:.2g} is {times:.1f} times the "
        f"paper's for {facts.images_per_step} images a step",
        f"lower optim_wrapper.optimizer.lr to about {expected:.1g}, or warm up longer",
    )


def _gradient(facts: Facts) -> Cause | None:
    if not all(map(math.isfinite, facts.losses.values())):
        return None
    name = next(iter(facts.gradient_norms), "a weight")
    return Cause(
        f"because the gradient of {name} overflowed although the losses are finite",
        "set optim_wrapper.clip_grad=dict(max_norm=35), or lower the learning rate",
    )


def _growth(facts: Facts) -> Cause:
    largest = max((level.largest_logit for level in facts.levels), default=math.nan)
    return Cause(
        f"probably because activations grew (largest logit {largest:.3g}) at the learning rate "
        f"{facts.learning_rate:.2g} for {facts.images_per_step} images a step",
        "lower optim_wrapper.optimizer.lr, or warm up longer",
    )


EXPLANATIONS: tuple[Callable[[Facts], Cause | None], ...] = (
    _weights,
    _pixels,
    _boxes,
    _precision,
    _rate,
    _gradient,
    _growth,
)
