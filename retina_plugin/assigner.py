"""The paper's assignment behind MMDetection's interface of assigners."""

from dataclasses import replace
from typing import Any

from mmdet.models.task_modules import AssignResult, BaseAssigner, BboxOverlaps2D
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from .bounds import FINITE, FRACTION, check_numbers
from .errors import UserError
from .kernels.assignment import assign_flat, match_flat
from .matching import MatchRule, match_image
from .registry import TASK_UTILS

FAST_FORMS = ("auto", "windowed")
IOU = ("BboxOverlaps2D", "mmdet.BboxOverlaps2D", BboxOverlaps2D)
IOU_SETTINGS = {"scale": 1.0, "dtype": None}


def _of_rule(name: str) -> Any:
    """A number of the rule as an attribute, which a detector may set (Dynamic R-CNN does)."""

    def get(assigner: "AnchorAssigner") -> Any:
        return getattr(assigner.rule, name)

    def put(assigner: "AnchorAssigner", value: Any) -> None:
        assigner.rule = replace(assigner.rule, **{name: value})

    return property(get, put)


@TASK_UTILS.register_module()
class AnchorAssigner(BaseAssigner):
    """The paper's assigner behind MMDetection's interface.

    Takes every key of MMDetection's MaxIoUAssigner. `ignore_iof_thr` (crowd and
    ignore regions) is off by default, as in MMDetection's and Detectron2's
    RetinaNet: crowd regions then train as background; 0.5 leaves anchors that
    lie in them out.

    Raises:
        UserError: for a value that cannot be honoured.
    """

    pos_iou_thr = _of_rule("pos_iou_thr")
    neg_iou_thr = _of_rule("neg_iou_thr")
    min_pos_iou = _of_rule("min_pos_iou")

    def __init__(
        self,
        pos_iou_thr: float = 0.5,
        neg_iou_thr: float | tuple[float, float] = 0.4,
        min_pos_iou: float = 0.0,
        gt_max_assign_all: bool = True,
        ignore_iof_thr: float = -1.0,
        ignore_wrt_candidates: bool = True,
        match_low_quality: bool = True,
        gpu_assign_thr: float = -1,
        iou_calculator: dict | None = None,
        perm_repeat_gt_cfg: dict | None = None,
    ) -> None:
        _refuse_other_overlaps(iou_calculator, perm_repeat_gt_cfg)
        if isinstance(neg_iou_thr, list):
            neg_iou_thr = tuple(neg_iou_thr)
        _check_thresholds(pos_iou_thr, neg_iou_thr)
        check_numbers(
            "AnchorAssigner",
            FINITE,
            min_pos_iou=min_pos_iou,
            ignore_iof_thr=ignore_iof_thr,
            gpu_assign_thr=gpu_assign_thr,
        )
        self.gpu_assign_thr = gpu_assign_thr
        self.rule = MatchRule(
            pos_iou_thr=pos_iou_thr,
            neg_iou_thr=neg_iou_thr,
            match_low_quality=match_low_quality,
            min_pos_iou=min_pos_iou,
            gt_max_assign_all=gt_max_assign_all,
            ignore_iof_thr=ignore_iof_thr,
            ignore_wrt_candidates=ignore_wrt_candidates,
        )

    def assign(
        self,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        gt_instances_ignore: InstanceData | None = None,
        **kwargs: object,
    ) -> AssignResult:
        """One image in MMDetection's codes: -1 ignored, 0 background, box index + 1.

        Args:
            pred_instances: `priors` (R, 4).
            gt_instances: `bboxes` (G, 4) and `labels` (G,).
            gt_instances_ignore: `bboxes` of crowd or ignore regions.
            kwargs: not used; other assigners of MMDetection are given more.
        """
        anchors = get_box_tensor(pred_instances.priors)
        boxes = get_box_tensor(gt_instances.bboxes)
        regions = None
        if gt_instances_ignore is not None:
            regions = get_box_tensor(gt_instances_ignore.bboxes)
        device, labels = anchors.device, gt_instances.labels
        if self._takes_the_cpu(boxes):
            anchors, boxes, labels = anchors.cpu(), boxes.cpu(), labels.cpu()
        found = assign_flat(anchors, boxes, labels, self.rule, regions)
        gt_inds, best, labels = (tensor.to(device) for tensor in found)
        return AssignResult(len(boxes), gt_inds, best, labels=labels)

    def match(
        self,
        anchors: Tensor,
        boxes: Tensor,
        regions: Tensor | None = None,
        valid: Tensor | None = None,
        form: str = "auto",
    ) -> tuple[Tensor, Tensor]:
        """`match_image` with this rule, on the CPU above `gpu_assign_thr` boxes.

        The forms `auto` and `windowed` choose the fastest one that knows the input; any other is
        the plain one, which never waits for the device.
        """
        device = anchors.device
        if self._takes_the_cpu(boxes):
            anchors, boxes = anchors.cpu(), boxes.cpu()
            valid = None if valid is None else valid.cpu()
        run = match_flat if form in FAST_FORMS else match_image
        codes, best = run(anchors, boxes, self.rule, regions, valid)
        return codes.to(device), best.to(device)

    def _takes_the_cpu(self, boxes: Tensor) -> bool:
        return 0 < self.gpu_assign_thr < len(boxes)


def _check_thresholds(pos_iou_thr: float, neg_iou_thr: float | tuple[float, float]) -> None:
    band = neg_iou_thr if isinstance(neg_iou_thr, tuple) else (0, neg_iou_thr)
    are_known = len(band) == 2 and all(number in FRACTION for number in (*band, pos_iou_thr))
    if not (are_known and band[0] <= band[1] <= pos_iou_thr and band[1] > 0):
        raise UserError(
            "AnchorAssigner expects 0 < neg_iou_thr <= pos_iou_thr <= 1, neg_iou_thr a number or "
            f"(low, high), but got neg_iou_thr={neg_iou_thr} and pos_iou_thr={pos_iou_thr}."
        )


def _refuse_other_overlaps(iou_calculator: dict | None, perm_repeat_gt_cfg: dict | None) -> None:
    settings = {"type": IOU[0], **IOU_SETTINGS, **(iou_calculator or {})}
    if settings.pop("type") not in IOU or settings != IOU_SETTINGS:
        raise UserError(
            "AnchorAssigner computes IoU itself, as iou_calculator BboxOverlaps2D does with "
            f"{IOU_SETTINGS}, but got {iou_calculator}; choose mmdet's MaxIoUAssigner for another."
        )
    if perm_repeat_gt_cfg is not None:
        raise UserError(
            "AnchorAssigner does not shift repeated boxes, but got "
            f"perm_repeat_gt_cfg={perm_repeat_gt_cfg}; choose mmdet's MaxIoUAssigner for that."
        )
