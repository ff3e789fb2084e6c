"""The RetinaNet head: two subnets shared by all levels, their losses, their detections."""

from typing import cast

import torch
from mmcv.cnn import ConvModule
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.registry import TASK_UTILS as MMDET_TASK_UTILS
from mmdet.structures import SampleList
from mmdet.structures.bbox import get_box_tensor
from mmdet.utils import ConfigType, InstanceList, OptConfigType, OptMultiConfig
from mmengine.structures import InstanceData
from torch import Tensor, nn

from .anchors import AnchorGrid
from .bounds import COUNT, INSIDE, WHOLE_FROM_0, check_number, check_numbers
from .compat.torch_features import is_compiling, outside_graphs
from .detections import Candidates, concatenate, detections, select
from .errors import UserError
from .kernels.candidates import is_small, promising, steady_sigmoid
from .listeners import is_changed
from .log import warn
from .mining import OHEMSampler, why_not_mined
from .normaliser import Normaliser
from .objective import (
    box_loss,
    classification_loss,
    of_own_class,
    positive_deltas,
    predicted_ious,
)
from .patches import can_run_on_tiles, deltas_at, places_of
from .prior import is_pretrained, prior_bias
from .registry import MODELS
from .settings import (
    ANCHORS,
    BOX_CODER,
    BOX_LOSS,
    FOCAL_LOSS,
    NORMAL,
    check_gt_labels,
    checked_test_cfg,
    checked_train_cfg,
)
from .subnet import run_output, run_subnet
from .targets import (
    ListedTargets,
    Targets,
    batch_codes,
    check_form,
    listed_targets,
    masked_targets,
    target_form,
    with_plain_boxes,
)

Levels = list[Tensor]


@MODELS.register_module()
class RetinaHead(BaseDenseHead):
    """Classification and box subnets of RetinaNet (section 4 of the paper).

    Accepts every key of MMDetection's RetinaHead, its assigners, box coders and
    losses; has the same parameter names.

    Args:
        num_classes: K, without background.
        in_channels: channels of every level.
        stacked_convs: 3x3 convolutions of each subnet before its output.
        feat_channels: their width.
        conv_cfg: of the stacked convolutions.
        norm_cfg: of the stacked convolutions, none in the paper.
        anchor_generator: MMDetection's config of the anchors.
        bbox_coder: MMDetection's config of the box code.
        reg_decoded_bbox: the box loss compares boxes (IoU losses), not deltas.
        reg_class_agnostic: one box an anchor (the paper), or one a class.
        loss_cls: classification loss.
        loss_bbox: box loss. The paper says smooth L1 and no beta; 1/9 is
            Detectron's, the authors' own code.
        normaliser: `image` (the paper), `batch`, `global` or `ema`; see `Normaliser`.
        prior_prob: pi, the confidence of every anchor at the start (section 4.1).
        form: how subnets, targets, losses and detections are computed: `plain`, `windowed`
            (fast on a CPU), `masked` (nothing waits for an accelerator, with focal
            loss or cross entropy and without OHEM), or `auto`, which chooses by
            the device. All give the same losses.
        train_cfg: `assigner`, `sampler` (None, or an `OHEMSampler`), `allowed_border`,
            `pos_weight`, `debug`.
        test_cfg: `score_thr`, `nms_pre`, `min_bbox_size`, `nms`, `max_per_img`.
        init_cfg: of the convolutions; the prior is set after it.

    Raises:
        UserError: for a value that cannot be honoured.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        stacked_convs: int = 4,
        feat_channels: int = 256,
        conv_cfg: OptConfigType = None,
        norm_cfg: OptConfigType = None,
        anchor_generator: ConfigType = ANCHORS,
        bbox_coder: ConfigType = BOX_CODER,
        reg_decoded_bbox: bool = False,
        reg_class_agnostic: bool = True,
        loss_cls: ConfigType = FOCAL_LOSS,
        loss_bbox: ConfigType = BOX_LOSS,
        normaliser: str = "image",
        prior_prob: float = 0.01,
        form: str = "auto",
        train_cfg: OptConfigType = None,
        test_cfg: OptConfigType = None,
        init_cfg: OptMultiConfig = NORMAL,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        widths = {"in_channels": in_channels, "feat_channels": feat_channels}
        check_numbers("RetinaHead", COUNT, num_classes=num_classes, **widths)
        check_number("RetinaHead", "stacked_convs", stacked_convs, WHOLE_FROM_0)
        check_number("RetinaHead", "prior_prob", prior_prob, INSIDE)
        check_form(form)
        self.num_classes = num_classes
        self.prior_prob = prior_prob
        self.reg_decoded_bbox = reg_decoded_bbox
        self.reg_class_agnostic = reg_class_agnostic
        self.train_cfg = checked_train_cfg(train_cfg)
        self.test_cfg = checked_test_cfg(test_cfg)
        self.assigner = MMDET_TASK_UTILS.build(self.train_cfg["assigner"])
        sampler = self.train_cfg["sampler"]
        self.sampler: OHEMSampler | None = sampler and MMDET_TASK_UTILS.build(sampler)
        self.bbox_coder = MMDET_TASK_UTILS.build(bbox_coder)
        self.prior_generator = MMDET_TASK_UTILS.build(anchor_generator)
        self.loss_cls = MMDET_MODELS.build(loss_cls)
        self._check_mining()
        self.loss_bbox = MMDET_MODELS.build(loss_bbox)
        self.normaliser = Normaliser(normaliser)
        self.form = form
        self._labels_seen = False
        self.cls_convs = _stack(in_channels, feat_channels, stacked_convs, conv_cfg, norm_cfg)
        self.reg_convs = _stack(in_channels, feat_channels, stacked_convs, conv_cfg, norm_cfg)
        self._add_outputs(feat_channels if stacked_convs else in_channels)

    def _check_mining(self) -> None:
        reason = why_not_mined(self.loss_cls)
        if self.sampler is not None and reason is not None:
            raise UserError(
                "RetinaHead expects a loss_cls of labels alone where train_cfg.sampler chooses "
                f"anchors by their loss, but got {type(self.loss_cls).__name__}, which {reason}: "
                "set train_cfg.sampler=None, or another loss_cls."
            )

    def _add_outputs(self, channels: int) -> None:
        self.use_sigmoid_cls = bool(getattr(self.loss_cls, "use_sigmoid", True))
        self.cls_out_channels = self.num_classes + (not self.use_sigmoid_cls)
        self.box_channels = self.bbox_coder.encode_size * (
            1 if self.reg_class_agnostic else self.num_classes
        )
        self.num_base_priors = self.prior_generator.num_base_priors[0]
        count = self.num_base_priors
        self.retina_cls = nn.Conv2d(channels, count * self.cls_out_channels, 3, padding=1)
        self.retina_reg = nn.Conv2d(channels, count * self.box_channels, 3, padding=1)

    def init_weights(self) -> None:
        """Initialise by `init_cfg`, then set the prior of every anchor to pi.

        Weights that `init_cfg` loads from a checkpoint keep their own bias.
        """
        first_time = not self.is_init
        super().init_weights()
        if first_time and not is_pretrained(self.init_cfg):
            self._set_prior()

    def _set_prior(self) -> None:
        bias = prior_bias(
            self.prior_prob, self.num_base_priors, self.num_classes, self.use_sigmoid_cls
        )
        given = self.retina_cls.state_dict()["bias"]
        if self.init_cfg != NORMAL and not torch.allclose(given, bias):
            warn(
                "model.bbox_head.init_cfg would have left the classification bias without "
                f"RetinaNet's prior; it was set for prior_prob={self.prior_prob}."
            )
        given.copy_(bias)

    def forward(self, x: tuple[Tensor, ...]) -> tuple[Levels, Levels]:
        """Logits (N, Ri, K) and deltas (N, Ri, 4) of each level (N, C, Hi, Wi), Ri = Hi Wi A."""
        features = run_subnet(self.reg_convs, x, self.form == "plain")
        deltas = self._outputs(self.retina_reg, features, self.box_channels)
        return self._logits(x), deltas

    @outside_graphs
    def grid(self, x: tuple[Tensor, ...]) -> AnchorGrid:
        """The anchors over the levels (N, C, Hi, Wi)."""
        return AnchorGrid.over(self.prior_generator, x)

    def loss(self, x: tuple[Tensor, ...], batch_data_samples: SampleList) -> dict[str, Tensor]:
        """`loss_cls` and `loss_bbox` of a batch with ground truth."""
        gts, ignored, metas = unpack_gt_instances(batch_data_samples)
        if self._runs_on_tiles():
            return self._loss_on_tiles(x, gts, metas, ignored)
        logits, deltas = self(x)
        self._check_own_forward(logits)
        return self.loss_by_feat(logits, deltas, self.grid(x), gts, metas, ignored)

    def _check_own_forward(self, logits: Levels) -> None:
        """Checkpoints that PyTorch calls reentrant lose the gradients of nested outputs."""
        learns = torch.is_grad_enabled() and self.retina_cls.weight.requires_grad
        if learns and is_changed(self) and not logits[0].requires_grad:
            raise UserError(
                "RetinaHead expects a forward pass that gradients go through, but was given one "
                "without: name parts of it in activation_checkpointing, such as "
                "'bbox_head.cls_convs.0', instead of 'bbox_head'."
            )

    def _runs_on_tiles(self) -> bool:
        """Whether the box subnet can be left out where no anchor is positive."""
        own = type(self)
        return (
            target_form(self.form, self.retina_reg.weight.device.type) == "windowed"
            and own.forward is RetinaHead.forward
            and own.loss_by_feat is RetinaHead.loss_by_feat
            and not is_changed(self)
            and not is_compiling()
            and can_run_on_tiles(self.reg_convs, self.retina_reg)
        )

    def _loss_on_tiles(
        self,
        x: tuple[Tensor, ...],
        gts: list[InstanceData],
        metas: list[dict],
        ignored: list[InstanceData | None] | None,
    ) -> dict[str, Tensor]:
        """As `loss`, with deltas of the positives only."""
        grid = self.grid(x)
        targets = cast(ListedTargets, self.targets(grid, gts, metas, ignored))
        places, order = places_of(targets, grid)
        deltas = deltas_at(self.reg_convs, self.retina_reg, x, places, self.box_channels)
        positive = of_own_class(deltas[order], targets, self.reg_class_agnostic)
        return self.losses_of(torch.cat(self._logits(x), 1), positive, targets, grid)

    def _logits(self, x: tuple[Tensor, ...]) -> Levels:
        """Logits (N, Ri, K) of each level."""
        features = run_subnet(self.cls_convs, x, self.form == "plain")
        return self._outputs(self.retina_cls, features, self.cls_out_channels)

    def _outputs(self, conv: nn.Module, features: Levels, channels: int) -> Levels:
        """What a subnet's last convolution says of each anchor (N, Ri, channels)."""
        maps = run_output(conv, features, self.form == "plain")
        return [permute_to_N_HWA_K(each, channels) for each in maps]

    def predict(
        self, x: tuple[Tensor, ...], batch_data_samples: SampleList, rescale: bool = False
    ) -> InstanceList:
        """Detections of each image, in the pixels of the original image if `rescale`."""
        metas = [sample.metainfo for sample in batch_data_samples]
        logits, deltas = self(x)
        return self.predict_by_feat(logits, deltas, self.grid(x), metas, rescale=rescale)

    def loss_and_predict(
        self,
        x: tuple[Tensor, ...],
        batch_data_samples: SampleList,
        proposal_cfg: OptConfigType = None,
    ) -> tuple[dict[str, Tensor], InstanceList]:
        """Both from one forward pass; `proposal_cfg` stands in for `test_cfg`."""
        gts, ignored, metas = unpack_gt_instances(batch_data_samples)
        logits, deltas = self(x)
        grid = self.grid(x)
        losses = self.loss_by_feat(logits, deltas, grid, gts, metas, ignored)
        return losses, self.predict_by_feat(logits, deltas, grid, metas, cfg=proposal_cfg)

    @outside_graphs  # nothing to gain, and a shape for every number of boxes
    def loss_by_feat(
        self,
        logits: Levels,
        deltas: Levels,
        grid: AnchorGrid,
        gts: list[InstanceData],
        metas: list[dict],
        ignored: list[InstanceData | None] | None = None,
    ) -> dict[str, Tensor]:
        """Losses of what `forward` returned; each is normalised as `normaliser` says."""
        targets = self.targets(grid, gts, metas, ignored)
        positive = positive_deltas(torch.cat(deltas, 1), targets, self.reg_class_agnostic)
        return self.losses_of(torch.cat(logits, 1), positive, targets, grid)

    def losses_of(
        self,
        logits: Tensor,
        positive: Tensor,
        targets: Targets,
        grid: AnchorGrid,
        factors: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Both losses from the logits (N, R, K) of all anchors and the deltas (P, 4) of positives.

        Args:
            logits: of all anchors.
            positive: of the positives.
            targets: what they learn.
            grid: the anchors.
            factors: (N,) by which each image's sum is multiplied; without any, `chosen` gives
                them, and takes its choice among the anchors.
        """
        if factors is None:
            targets, kept, factors = self.chosen(logits, targets, grid)
            positive = positive[kept]
        anchors = targets.anchors(grid.flat())  # (P, 4)
        ious = predicted_ious(self.loss_cls, positive, anchors, targets, self.bbox_coder)
        pos_weight = self.train_cfg["pos_weight"]
        return {
            "loss_cls": classification_loss(
                self.loss_cls, logits, targets, factors, pos_weight, ious
            ),
            "loss_bbox": box_loss(
                self.loss_bbox,
                positive,
                anchors,
                targets,
                factors,
                self.bbox_coder,
                self.reg_decoded_bbox,
            ),
        }

    def chosen(
        self, logits: Tensor, targets: Targets, grid: AnchorGrid
    ) -> tuple[Targets, Tensor | slice, Tensor]:
        """Targets of the anchors that are trained on, which of the P these are, factors (N,)."""
        if self.sampler is None:
            return targets, slice(None), self.normaliser(targets.positives)
        with torch.no_grad():
            labels = targets.labels.flatten()
            each = self.loss_cls(logits.flatten(0, 1), labels, reduction_override="none")
            losses = each.reshape(*targets.labels.shape, -1).sum(dim=-1)
        hard, kept = targets.only(self.sampler.choose(losses, grid.flat(), targets))
        return hard, kept, self.normaliser(hard.used.sum(dim=1))

    def targets(
        self,
        grid: AnchorGrid,
        gts: list[InstanceData],
        metas: list[dict],
        ignored: list[InstanceData | None] | None = None,
        form: str | None = None,
    ) -> Targets:
        """Assign the anchors of the batch and look up what they learn.

        `form` stands in for the head's own. Labels are checked in every step, but in the form
        `masked` in the first only, to spare the wait for the device.
        """
        form = target_form(form or self.form, grid.flat().device.type)
        if form != "masked" or not self._labels_seen:
            check_gt_labels(gts, metas, self.num_classes)
            self._labels_seen = True
        usable = grid.usable(metas, self.train_cfg["allowed_border"])
        gts = [with_plain_boxes(gt) for gt in gts]
        regions = ignored or [None] * len(gts)
        ignored = [None if each is None else with_plain_boxes(each) for each in regions]
        codes = batch_codes(self.assigner, grid, usable, gts, ignored, form)
        if form == "masked":
            return masked_targets(codes, gts, self.num_classes, grid.flat())
        return listed_targets(codes, gts, self.num_classes)

    @outside_graphs
    def predict_by_feat(
        self,
        logits: Levels,
        deltas: Levels,
        grid: AnchorGrid,
        metas: list[dict],
        cfg: OptConfigType = None,
        rescale: bool = False,
        with_nms: bool = True,
    ) -> InstanceList:
        """Detections from what `forward` returned; `cfg` stands in for `test_cfg`."""
        cfg = self.test_cfg if cfg is None else checked_test_cfg(cfg)
        levels = [
            self._select(*level, cfg["score_thr"], cfg["nms_pre"])
            for level in zip(logits, deltas, grid.levels, strict=True)
        ]  # of each level a list of images
        return [
            self._detect(concatenate(list(of_image)), meta, cfg, rescale, with_nms)
            for of_image, meta in zip(zip(*levels, strict=True), metas, strict=True)
        ]

    def _select(
        self, logits: Tensor, deltas: Tensor, anchors: Tensor, score_thr: float, nms_pre: int
    ) -> list[Candidates]:
        """The best pairs of a level for each of N images, from logits (N, R, K) and deltas."""
        if self.form == "plain" or not self.use_sigmoid_cls:
            chosen = [torch.arange(len(anchors), device=anchors.device)] * len(logits)
        else:
            chosen = promising(logits.detach(), score_thr, nms_pre)
        steady = not is_small(logits)
        return [
            select(
                self._scores(x[of], steady),
                self._class_deltas(d[of]),
                anchors[of],
                score_thr,
                nms_pre,
            )
            for x, d, of in zip(logits, deltas, chosen, strict=True)
        ]

    def _detect(
        self, candidates: Candidates, meta: dict, cfg: dict, rescale: bool, with_nms: bool
    ) -> InstanceData:
        """Detections of one image from the candidates of all its levels."""
        boxes = self.bbox_coder.decode(
            candidates.anchors, candidates.deltas, max_shape=meta["img_shape"]
        )
        return detections(get_box_tensor(boxes), candidates, meta, cfg, rescale, with_nms)

    def _scores(self, logits: Tensor, steady: bool) -> Tensor:
        """Scores (R, K) in float32; `steady` as where only some anchors of a level are given."""
        logits = logits.detach().float()
        if not self.use_sigmoid_cls:
            return logits.softmax(-1)[:, :-1]
        return steady_sigmoid(logits) if steady else logits.sigmoid()

    def _class_deltas(self, deltas: Tensor) -> Tensor:
        """Deltas (R, 4) in float32, or (R, K, 4) where boxes depend on the class."""
        deltas = deltas.detach().float()
        return deltas if self.reg_class_agnostic else deltas.unflatten(-1, (-1, 4))


def permute_to_N_HWA_K(output: Tensor, channels: int) -> Tensor:  # noqa: N802
    """(N, A K, H, W) -> (N, H W A, K)."""
    return output.permute(0, 2, 3, 1).reshape(len(output), -1, channels)


def _stack(
    in_channels: int,
    feat_channels: int,
    depth: int,
    conv_cfg: OptConfigType,
    norm_cfg: OptConfigType,
) -> nn.ModuleList:
    channels = [in_channels] + [feat_channels] * depth
    return nn.ModuleList(
        ConvModule(before, after, 3, padding=1, conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        for before, after in zip(channels[:-1], channels[1:], strict=True)
    )
