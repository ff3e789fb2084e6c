"""Each row of the paper has a config with its settings, and the numbers are the paper's."""

from pathlib import Path

import pytest
import torch
import yaml
from mmdet.registry import MODELS
from mmengine.config import Config

from retina_plugin.losses import FocalLoss, FocalStarLoss, HingeLoss, SigmoidCrossEntropyLoss
from retina_plugin.recipe import resolve

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "configs" / "ablations"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
MINI = sorted(path.stem for path in (FOLDER / "mini").glob("*.py"))

# Settings and AP, AP50, AP75 as printed; 600 px and ResNet-50 unless said otherwise.
TABLE_1A = {  # alpha of the cross entropy
    "alpha0p10": (0.10, 0.0, 0.0, 0.0),
    "alpha0p25": (0.25, 10.8, 16.0, 11.7),
    "alpha0p50": (0.50, 30.2, 46.7, 32.8),
    "alpha0p75": (0.75, 31.1, 49.4, 33.0),
    "alpha0p90": (0.90, 30.8, 49.7, 32.3),
    "alpha0p99": (0.99, 28.7, 47.4, 29.9),
    "alpha0p999": (0.999, 25.1, 41.7, 26.1),
}
TABLE_1B = {  # gamma, alpha
    "gamma0": (0, 0.75, 31.1, 49.4, 33.0),
    "gamma0p1": (0.1, 0.75, 31.4, 49.9, 33.1),
    "gamma0p2": (0.2, 0.75, 31.9, 50.7, 33.4),
    "gamma0p5": (0.5, 0.50, 32.9, 51.7, 35.2),
    "gamma1": (1, 0.25, 33.7, 52.0, 36.2),
    "gamma2": (2, 0.25, 34.0, 52.5, 36.5),
    "gamma5": (5, 0.25, 32.2, 49.6, 34.8),
}
TABLE_1C = {  # scales, ratios
    (1, 1): (30.3, 49.0, 31.8),
    (2, 1): (31.9, 50.0, 34.0),
    (3, 1): (31.8, 49.4, 33.7),
    (1, 3): (32.4, 52.3, 33.9),
    (2, 3): (34.2, 53.1, 36.5),
    (3, 3): (34.0, 52.5, 36.5),
    (4, 3): (33.8, 52.1, 36.2),
}
TABLE_1D = {  # ResNet-101; 1:3, batch size, threshold of the NMS
    "ohem_128_nms0p7": (False, 128, 0.7, 31.1, 47.2, 33.2),
    "ohem_256_nms0p7": (False, 256, 0.7, 31.8, 48.8, 33.9),
    "ohem_512_nms0p7": (False, 512, 0.7, 30.6, 47.0, 32.6),
    "ohem_128_nms0p5": (False, 128, 0.5, 32.8, 50.3, 35.1),
    "ohem_256_nms0p5": (False, 256, 0.5, 31.0, 47.4, 33.0),
    "ohem_512_nms0p5": (False, 512, 0.5, 27.6, 42.0, 29.2),
    "ohem1to3_128_nms0p5": (True, 128, 0.5, 31.1, 47.2, 33.2),
    "ohem1to3_256_nms0p5": (True, 256, 0.5, 28.3, 42.4, 30.3),
    "ohem1to3_512_nms0p5": (True, 512, 0.5, 24.0, 35.5, 25.8),
}
TABLE_1E = {  # depth, short side: AP, AP50, AP75, S, M, L, ms
    (50, 400): (30.5, 47.8, 32.7, 11.2, 33.8, 46.1, 64),
    (50, 500): (32.5, 50.9, 34.8, 13.9, 35.8, 46.7, 72),
    (50, 600): (34.3, 53.2, 36.9, 16.2, 37.4, 47.4, 98),
    (50, 700): (35.1, 54.2, 37.7, 18.0, 39.3, 46.4, 121),
    (50, 800): (35.7, 55.0, 38.5, 18.9, 38.9, 46.3, 153),
    (101, 400): (31.9, 49.5, 34.1, 11.6, 35.8, 48.5, 81),
    (101, 500): (34.4, 53.1, 36.8, 14.7, 38.5, 49.1, 90),
    (101, 600): (36.0, 55.2, 38.7, 17.4, 39.6, 49.7, 122),
    (101, 700): (37.1, 56.6, 39.8, 19.1, 40.6, 49.4, 154),
    (101, 800): (37.8, 57.5, 40.8, 20.2, 41.1, 49.2, 198),
}
TABLE_2 = {
    "r101": (39.1, 59.1, 42.3, 21.8, 42.7, 50.2),
    "x101": (40.8, 61.1, 44.1, 24.1, 44.2, 51.2),
}
APPENDIX = {  # gamma, beta of FL*
    "fl_star_2_1": (2, 1, 33.8, 52.7, 36.3),
    "fl_star_4_0": (4, 0, 33.9, 51.8, 36.4),
}


def read(name):
    folder = FOLDER / "mini" if name.startswith("mini_") else FOLDER
    return Config.fromfile(folder / f"{name}.py")


@pytest.fixture(scope="module")
def built():
    """Build the head of a config, once."""
    heads = {}

    def build(name):
        if name not in heads:
            cfg = read(name)
            cfg.model.bbox_head.update(
                num_classes=cfg.model.bbox_head.num_classes or 6,
                train_cfg=cfg.model.train_cfg,
                test_cfg=cfg.model.test_cfg,
            )
            heads[name] = MODELS.build(cfg.model.bbox_head)
            heads[name].init_weights()
        return heads[name]

    return build


def numbers(name):
    """What the metafile says of a row."""
    models = yaml.safe_load((FOLDER / "metafile.yml").read_text())["Models"]
    (model,) = (model for model in models if model["Name"] == name)
    assert model["Config"] == f"configs/ablations/{name}.py"
    (result,) = model["Results"]
    assert result["Dataset"].endswith("(paper)")
    return tuple(result["Metrics"].values())


def both(row):
    return [row, f"mini_{row}"]


@pytest.mark.parametrize(("row", "expected"), TABLE_1A.items())
def test_table_1a(built, row, expected):
    for name in both(f"table1a_{row}"):
        loss = built(name).loss_cls
        assert type(loss) is SigmoidCrossEntropyLoss
        assert (loss.gamma, loss.alpha) == (0, expected[0])
        assert built(name).prior_prob == 0.01
    assert numbers(f"table1a_{row}") == expected[1:]


@pytest.mark.parametrize(("row", "expected"), TABLE_1B.items())
def test_table_1b(built, row, expected):
    for name in both(f"table1b_{row}"):
        loss = built(name).loss_cls
        assert type(loss) is FocalLoss
        assert (loss.gamma, loss.alpha) == expected[:2]
    assert numbers(f"table1b_{row}") == expected[2:]


@pytest.mark.parametrize(("row", "expected"), TABLE_1C.items())
def test_table_1c(built, row, expected):
    scales, ratios = row
    for name in both(f"table1c_scales{scales}_ratios{ratios}"):
        head = built(name)
        assert head.num_base_priors == scales * ratios
        octaves = 2 ** (torch.arange(scales) / scales)
        torch.testing.assert_close(head.prior_generator.scales, 4 * octaves)
        assert head.prior_generator.ratios.tolist() == ([0.5, 1.0, 2.0] if ratios == 3 else [1.0])
        assert (head.loss_cls.gamma, head.loss_cls.alpha) == (2, 0.25)
    assert numbers(f"table1c_scales{scales}_ratios{ratios}") == expected


@pytest.mark.parametrize(("row", "expected"), TABLE_1D.items())
def test_table_1d(built, row, expected):
    for name in both(f"table1d_{row}"):
        sampler = built(name).sampler
        assert (sampler.balanced, sampler.number, sampler.iou_threshold) == expected[:3]
        loss = built(name).loss_cls
        assert (type(loss), loss.alpha) == (SigmoidCrossEntropyLoss, None)
    assert read(f"table1d_{row}").model.backbone.depth == 101
    assert numbers(f"table1d_{row}") == expected[3:]


def test_focal_loss_of_table_1d(built):
    assert built("table1d_fl").sampler is None
    assert read("table1d_fl").model.backbone.depth == 101
    assert numbers("table1d_fl") == (36.0, 54.9, 38.7)


@pytest.mark.parametrize(("row", "expected"), TABLE_1E.items())
def test_table_1e(row, expected):
    depth, side = row
    cfg = resolve(read(f"table1e_r{depth}_{side}"), world_size=8, say=None)
    assert cfg.model.backbone.depth == depth
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        (scale,) = (t.scale for t in loader.dataset.pipeline if t.type == "Resize")
        assert scale == (round(side * 5 / 3), side)
    assert numbers(f"table1e_r{depth}_{side}") == expected


@pytest.mark.parametrize(("row", "expected"), TABLE_2.items())
def test_table_2(row, expected):
    cfg = read(f"table2_{row}")
    assert cfg.train_cfg.max_iters == 135000
    backbone = cfg.model.backbone
    assert backbone.depth == 101
    assert (backbone.get("groups"), backbone.get("base_width")) == (
        (32, 8) if row == "x101" else (None, None)
    )
    assert numbers(f"table2_{row}") == expected


@pytest.mark.parametrize(("row", "expected"), APPENDIX.items())
def test_focal_star_of_the_appendix(built, row, expected):
    for name in both(f"appendix_{row}"):
        loss = built(name).loss_cls
        assert type(loss) is FocalStarLoss
        assert (loss.gamma, loss.beta, loss.alpha) == (*expected[:2], None)
    assert numbers(f"appendix_{row}") == expected[2:]


def test_other_losses_of_the_appendix(built):
    assert built("appendix_ce").loss_cls.alpha == 0.75
    assert numbers("appendix_ce") == (31.1, 49.4, 33.0)
    assert (built("appendix_fl").loss_cls.gamma, built("appendix_fl").loss_cls.alpha) == (2, 0.25)
    assert numbers("appendix_fl") == (34.0, 52.5, 36.5)


def test_cross_entropy_with_both_initialisations(built):
    for name, prior in (("section5_ce_usual_init", 0.5), ("section5_ce_prior", 0.01)):
        for each in both(name):
            assert built(each).loss_cls.alpha is None
            torch.testing.assert_close(
                built(each).retina_cls.bias.sigmoid(),
                torch.full_like(built(each).retina_cls.bias, prior),
            )
    assert numbers("section5_ce_prior") == (30.2,)
    assert type(built("section5_hinge").loss_cls) is HingeLoss


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith(("table1e", "table2"))])
def test_ablations_train_at_600_pixels_for_90000_iterations(name):
    cfg = resolve(read(name), world_size=8, say=None)
    assert cfg.train_cfg.max_iters == 90000
    (scale,) = (t.scale for t in cfg.train_dataloader.dataset.pipeline if t.type == "Resize")
    assert scale == (1000, 600)


@pytest.mark.parametrize("name", [*NAMES, *MINI])
def test_a_row_is_short_and_its_header_has_the_numbers_of_its_metafile(name):
    folder = FOLDER / "mini" if name.startswith("mini_") else FOLDER
    text = (folder / f"{name}.py").read_text()
    assert len(text.partition('"""\n\n')[2].splitlines()) <= 8
    if not name.startswith("mini_") and "(paper, Table" in text:
        for metric, number in zip(("AP", "AP50", "AP75"), numbers(name), strict=False):
            assert f"{metric} {number}" in text


@pytest.mark.parametrize("name", [*NAMES, *MINI])
def test_every_row_builds_computes_a_loss_and_predicts(name, make_model, make_sample):
    cfg = read(name)
    cfg.model.backbone.init_cfg = None
    cfg.model.bbox_head.num_classes = 3
    model = make_model(cfg.model, init=False).train()
    samples = [make_sample([[10.0, 10.0, 50.0, 40.0]], [1])]
    losses = model.loss(torch.randn(1, 3, 64, 64), samples)
    assert all(torch.as_tensor(loss).isfinite().all() for loss in losses.values())
    sum(losses.values()).backward()
    with torch.no_grad():
        (found,) = model.eval().predict(torch.randn(1, 3, 64, 64), samples)
    assert found.pred_instances.bboxes.shape[1] == 4
