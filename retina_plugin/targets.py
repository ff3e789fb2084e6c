"""Training targets of a batch, from the codes of its anchors."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from mmdet.models.task_modules import AssignResult, BaseAssigner
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from typing_extensions import Self, override

from .anchors import AnchorGrid
from .assigner import AnchorAssigner
from .errors import UserError
from .kernels.assignment import fast_codes
from .matching import BACKGROUND, IGNORED

FORMS = ("auto", "plain", "windowed", "masked")


def check_form(form: str) -> None:
    """Raise UserError unless `form` is one of `FORMS`."""
    if form not in FORMS:
        raise UserError(f"RetinaHead expects form to be one of {FORMS}, but got {form!r}.")


def target_form(form: str, device_type: str) -> str:
    """The form that `auto` stands for on a device; any other stays.

    Raises:
        UserError: `windowed` is asked for away from the CPU.
    """
    if form == "windowed" and device_type != "cpu":
        raise UserError(
            f"model.bbox_head.form='windowed' works on the CPU, but the model is on {device_type}; "
            "set form='auto'."
        )
    if form != "auto":
        return form
    return {"cpu": "windowed", "cuda": "masked"}.get(device_type, "plain")


@dataclass(frozen=True)
class Targets(ABC):
    """What the anchors of a batch learn; the box loss runs over P of them."""

    labels: Tensor  # (N, R) in 0..K, K is background
    used: Tensor  # (N, R) bool, False on ignored anchors
    boxes: Tensor  # (P, 4) box that each learns, pixels, xyxy

    @property
    @abstractmethod
    def positives(self) -> Tensor:
        """Number of positive anchors (N,) of each image."""

    @property
    @abstractmethod
    def is_positive(self) -> Tensor:
        """(N, R) bool."""

    @abstractmethod
    def pick(self, values: Tensor) -> Tensor:
        """(P, ...) of the values (N, R, ...) of all anchors."""

    @abstractmethod
    def anchors(self, anchors: Tensor) -> Tensor:
        """(P, 4) of the anchors (R, 4)."""

    @abstractmethod
    def weights(self, factors: Tensor) -> Tensor:
        """Weights (P,) in the box loss, from the factors (N,) of the images."""

    @abstractmethod
    def spread(self, values: Tensor) -> Tensor:
        """(N, R) with the values (P,) on the positives and 0 elsewhere."""

    @abstractmethod
    def mask(self, predicted: Tensor, wanted: Tensor) -> Tensor:
        """The predictions (P, 4), replaced by what is wanted where no anchor is positive."""

    @abstractmethod
    def only(self, chosen: Tensor) -> tuple[Self, Tensor | slice]:
        """These targets where all anchors but those chosen, (N, R) bool, are ignored.

        Gives with them which of the P are left.
        """


@dataclass(frozen=True)
class ListedTargets(Targets):
    """P is the number of positives, which the host has to wait for."""

    image: Tensor  # (P,)
    anchor: Tensor  # (P,)

    @property
    @override
    def positives(self) -> Tensor:
        return torch.bincount(self.image, minlength=len(self.labels))

    @property
    @override
    def is_positive(self) -> Tensor:
        mask = torch.zeros_like(self.used)
        mask[self.image, self.anchor] = True
        return mask

    @override
    def pick(self, values: Tensor) -> Tensor:
        return values[self.image, self.anchor]

    @override
    def anchors(self, anchors: Tensor) -> Tensor:
        return anchors[self.anchor]

    @override
    def weights(self, factors: Tensor) -> Tensor:
        return factors[self.image]

    @override
    def spread(self, values: Tensor) -> Tensor:
        dense = values.new_zeros(self.labels.shape)
        dense[self.image, self.anchor] = values
        return dense

    @override
    def mask(self, predicted: Tensor, wanted: Tensor) -> Tensor:
        return predicted

    @override
    def only(self, chosen: Tensor) -> tuple[Self, Tensor | slice]:
        kept = chosen[self.image, self.anchor]
        own = {key: getattr(self, key)[kept] for key in ("boxes", "image", "anchor")}
        return replace(self, used=self.used & chosen, **own), kept


@dataclass(frozen=True)
class MaskedTargets(Targets):
    """P = N R: every anchor, those that are not positive with weight 0 and themselves as box.

    Shapes do not depend on the data, so nothing waits for the device.
    """

    positive: Tensor  # (N, R) bool

    @property
    @override
    def positives(self) -> Tensor:
        return self.positive.sum(dim=1)

    @property
    @override
    def is_positive(self) -> Tensor:
        return self.positive

    @override
    def pick(self, values: Tensor) -> Tensor:
        return values.flatten(0, 1)

    @override
    def anchors(self, anchors: Tensor) -> Tensor:
        return anchors.repeat(len(self.labels), 1)

    @override
    def weights(self, factors: Tensor) -> Tensor:
        return (self.positive * factors[:, None]).flatten()

    @override
    def spread(self, values: Tensor) -> Tensor:
        return torch.where(self.positive, values.view_as(self.positive), 0)

    @override
    def mask(self, predicted: Tensor, wanted: Tensor) -> Tensor:
        return torch.where(self.positive.view(-1, 1), predicted, wanted)

    @override
    def only(self, chosen: Tensor) -> tuple[Self, Tensor | slice]:
        kept = replace(self, used=self.used & chosen, positive=self.positive & chosen)
        return kept, slice(None)


def with_plain_boxes(instances: InstanceData) -> InstanceData:
    """Instances whose boxes are a tensor, as the preprocessor leaves them by default."""
    if isinstance(instances.bboxes, Tensor):
        return instances
    plain = instances.clone()
    plain.bboxes = get_box_tensor(instances.bboxes)
    return plain


def batch_codes(
    assigner: BaseAssigner,
    grid: AnchorGrid,
    valid: Tensor | None,
    gts: list[InstanceData],
    ignored: list[InstanceData | None],
    form: str = "plain",
) -> Tensor:
    """Codes (N, R) by our assigner or by any of MMDetection's.

    Args:
        assigner: anything with MMDetection's `assign`.
        grid: the anchors.
        valid: (N, R) bool, anchors that take part; None where all do.
        gts: N, each with `bboxes` (G_i, 4) and `labels` (G_i,).
        ignored: N, each with `bboxes` of ignore regions, or None.
        form: one of `FORMS`; how our assigner computes them.
    """
    regions = [None if each is None else each.bboxes for each in ignored]
    boxes = [gt.bboxes for gt in gts]
    flags = [None] * len(gts) if valid is None else list(valid)
    if not isinstance(assigner, AnchorAssigner):
        images = zip(flags, gts, ignored, strict=True)
        return torch.stack([_foreign_codes(assigner, grid.flat(), *image) for image in images])
    codes = fast_codes(grid, boxes, assigner.rule, regions, valid, form)
    if codes is not None:
        return codes
    own = zip(boxes, regions, flags, strict=True)
    return torch.stack([assigner.match(grid.flat(), *image, form)[0] for image in own])


def _foreign_codes(
    assigner: BaseAssigner,
    anchors: Tensor,
    valid: Tensor | None,
    gt: InstanceData,
    crowd: InstanceData | None,
) -> Tensor:
    """Codes (R,) from the result of one of MMDetection's assigners on the valid anchors."""
    if valid is None:
        valid = torch.ones(len(anchors), dtype=torch.bool, device=anchors.device)
    result = _assigned(assigner, InstanceData(priors=anchors[valid]), gt, crowd)
    codes = torch.full((len(anchors),), IGNORED, dtype=torch.long, device=anchors.device)
    codes[valid] = torch.where(result.gt_inds < 0, IGNORED, result.gt_inds - 1)
    return codes


def _assigned(
    assigner: BaseAssigner, anchors: InstanceData, gt: InstanceData, crowd: InstanceData | None
) -> AssignResult:
    try:
        return assigner.assign(anchors, gt, crowd)
    except (AttributeError, TypeError) as error:
        name = type(assigner).__name__
        raise UserError(
            f"train_cfg.assigner: {name} asks for more than the anchors and the objects of an "
            f"image, which are all that RetinaHead gives it ({error}): use "
            "retina_plugin.AnchorAssigner, or MaxIoUAssigner."
        ) from error


def listed_targets(codes: Tensor, gts: list[InstanceData], num_classes: int) -> ListedTargets:
    """Targets of the whole batch, with a list of its positives.

    Args:
        codes: (N, R), index of the matched box of that image, BACKGROUND or IGNORED.
        gts: N, each with `bboxes` (G_i, 4) and `labels` (G_i,).
        num_classes: K.
    """
    counts = codes.new_tensor([len(gt.labels) for gt in gts])
    first = counts.cumsum(0) - counts
    image, anchor = (codes > BACKGROUND).nonzero(as_tuple=True)
    box = codes[image, anchor] + first[image]  # (P,) among all boxes of the batch
    labels = torch.full_like(codes, num_classes)
    labels[image, anchor] = torch.cat([gt.labels for gt in gts])[box]
    return ListedTargets(
        labels=labels,
        used=codes != IGNORED,
        boxes=torch.cat([gt.bboxes for gt in gts])[box],
        image=image,
        anchor=anchor,
    )


def masked_targets(
    codes: Tensor, gts: list[InstanceData], num_classes: int, anchors: Tensor
) -> MaskedTargets:
    """The same without a list; `anchors` (R, 4) stand in as boxes where nothing is matched."""
    positive = codes > BACKGROUND
    nothing = codes.new_full((1,), num_classes)
    labels = pad_sequence([torch.cat([gt.labels, nothing]) for gt in gts], batch_first=True)
    boxes = pad_sequence([torch.cat([gt.bboxes, anchors[:1]]) for gt in gts], batch_first=True)
    index = codes.clamp(min=0)
    matched = boxes.gather(1, index[..., None].expand(-1, -1, 4))
    return MaskedTargets(
        labels=torch.where(positive, labels.gather(1, index), num_classes),
        used=codes != IGNORED,
        boxes=torch.where(positive[..., None], matched, anchors).flatten(0, 1),
        positive=positive,
    )
