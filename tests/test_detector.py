"""The detector computes what MMDetection's does, in another layout and precision."""

import copy
import pickle
from importlib.util import find_spec

import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine.config import Config
from mmengine.model import convert_sync_batchnorm
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.flop_counter import FlopCounterMode

from retina_plugin import RetinaNet, processor
from retina_plugin.engine.inferencer import QUIET
from retina_plugin.kernels import winograd

BACKBONE = {
    "type": "ResNet",
    "depth": 18,
    "base_channels": 8,
    "num_stages": 4,
    "out_indices": (0, 1, 2, 3),
    "frozen_stages": 1,
    "norm_cfg": {"type": "BN", "requires_grad": True},
    "norm_eval": True,
}


def config(kind, **options):
    cfg = {
        "type": kind,
        "data_preprocessor": {"type": "DetDataPreprocessor", "pad_size_divisor": 32},
        "backbone": copy.deepcopy(BACKBONE),
        "neck": {
            "type": "retina_plugin.RetinaFPN",
            "in_channels": [8, 16, 32, 64],
            "out_channels": 16,
            "start_level": 1,
            "num_outs": 5,
        },
        "bbox_head": {
            "type": "retina_plugin.RetinaHead",
            "num_classes": 3,
            "in_channels": 16,
            "feat_channels": 16,
            "stacked_convs": 1,
        },
        "test_cfg": {"score_thr": 0.0, "max_per_img": 20},
    }
    return {**cfg, **options}


def awake(model):
    """Running means and variances away from 0 and 1, as after training."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model


@pytest.fixture
def pair(make_model):
    """MMDetection's detector and ours with the same weights, in float32."""
    stock = awake(make_model(config("mmdet.RetinaNet")))
    ours = make_model(config("retina_plugin.RetinaNet", dtype="float32"), init=False)
    ours.load_state_dict(stock.state_dict())
    return stock, ours


def images():
    return torch.randn(2, 3, 64, 96)


@pytest.fixture
def samples(make_sample):
    return [make_sample([[5, 5, 50, 40]], [1], (64, 96)) for _ in range(2)]


def test_losses_and_gradients_are_mmdetections(pair, samples):
    """Batch norm is frozen here, and so multiplied into the weights in training too."""
    x, results = images(), []
    for model in pair:
        losses = model.train().loss(x, samples) if model is pair[0] else model.train()(
            x, samples, mode="loss"
        )  # fmt: skip
        sum(losses.values()).backward()
        results.append((losses, {name: p.grad for name, p in model.named_parameters()}))
    (stock, stock_grads), (ours, grads) = results
    torch.testing.assert_close(ours, stock, rtol=1e-5, atol=1e-7)
    for name, expected in stock_grads.items():
        if expected is None:
            assert grads[name] is None, name
        else:
            error = (grads[name] - expected).norm() / expected.norm().clamp(min=1e-12)
            assert error < 1e-4, name


def test_detections_are_mmdetections(pair, samples):
    x = images()
    with torch.no_grad():
        stock, ours = (m.eval()(x, copy.deepcopy(samples), mode="predict") for m in pair)
    for got, expected in zip(ours, stock, strict=True):
        got, expected = got.pred_instances, expected.pred_instances
        torch.testing.assert_close(got.scores, expected.scores, rtol=1e-4, atol=1e-6)


def test_training_statistics_are_learned_where_batch_norm_trains(make_model, samples):
    backbone = {**BACKBONE, "norm_eval": False, "frozen_stages": -1}
    model = make_model(config("retina_plugin.RetinaNet", backbone=backbone)).train()
    before = model.backbone.bn1.running_mean.clone()
    model(images(), samples, mode="loss")
    assert not torch.equal(model.backbone.bn1.running_mean, before)


@pytest.mark.parametrize("frozen_stages", [-1, 1])
def test_batch_norm_that_the_runner_replaces_is_trained_and_evaluated(make_model, frozen_stages):
    """`sync_bn` puts other modules in the places of those that were there when it was folded.

    MMDetection's detector, in float32, is the reference; before, ours went on with the old ones,
    which nobody switches to evaluation.
    """
    backbone = {**BACKBONE, "norm_eval": False, "frozen_stages": frozen_stages}
    stock = awake(make_model(config("mmdet.RetinaNet", backbone=backbone)))
    ours = make_model(config("retina_plugin.RetinaNet", backbone=backbone, dtype="float32"))
    ours.load_state_dict(stock.state_dict())
    ours = convert_sync_batchnorm(ours, "torch")
    x = images()
    for mode in (True, False):
        stock.train(mode), ours.train(mode)
        with torch.no_grad():
            for got, expected in zip(ours.extract_feat(x), stock.extract_feat(x), strict=True):
                torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    learned = dict(ours.backbone.named_buffers())
    for name, expected in stock.backbone.named_buffers():
        torch.testing.assert_close(learned[name], expected, rtol=1e-4, atol=1e-5)
    kinds = {type(each) for each in ours.backbone.modules()}
    assert torch.nn.SyncBatchNorm in kinds
    assert torch.nn.BatchNorm2d not in kinds


def test_weights_and_features_lie_channels_last(make_model):
    model = make_model(config("retina_plugin.RetinaNet")).eval()
    layout = {"memory_format": torch.channels_last}
    assert model.backbone.conv1.weight.is_contiguous(**layout)
    assert all(level.is_contiguous(**layout) for level in model.extract_feat(images()))
    assert isinstance(model, RetinaNet)


def test_a_seed_gives_the_weights_that_it_gives_mmdetection(make_model):
    states = []
    for kind in ("mmdet.RetinaNet", "retina_plugin.RetinaNet"):
        torch.manual_seed(7)
        states.append(make_model(config(kind)).state_dict())
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize(("dtype", "expected"), [("bfloat16", "bfloat16"), ("float32", "float32")])
def test_evaluation_runs_in_the_dtype_and_training_does_not(make_model, dtype, expected, samples):
    model = make_model(config("retina_plugin.RetinaNet", dtype=dtype))
    seen = []
    model.bbox_head.retina_cls.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    model.train()(images(), samples, mode="loss")
    assert set(seen) == {torch.float32}
    seen.clear()
    with torch.no_grad():
        (result, _) = model.eval()(images(), samples, mode="predict")
    assert set(seen) == {getattr(torch, expected)}
    assert result.pred_instances.bboxes.dtype == torch.float32


def test_precision_that_the_caller_chose_stays(make_model, samples):
    model = make_model(config("retina_plugin.RetinaNet", dtype="float32")).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits, _ = model(images(), mode="tensor")
    assert logits[0].dtype == torch.bfloat16


def test_auto_follows_the_processor(make_model, monkeypatch):
    model = make_model(config("retina_plugin.RetinaNet")).eval()
    for has_it, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(processor, "computes_in_bfloat16", lambda _, has_it=has_it: has_it)
        with torch.no_grad():
            assert model(images())[0][0].dtype == dtype


def test_backbone_that_cannot_be_traced_keeps_its_layers(make_model, logged):
    backbone = {**BACKBONE, "with_cp": True}
    with torch.no_grad():
        make_model(config("retina_plugin.RetinaNet", backbone=backbone)).eval()(images())
    assert "Batch norm stays a layer of its own: ResNet cannot be folded" in logged.text


def test_copy_of_the_model_owns_its_weights(make_model):
    """As the exponential moving average keeps one."""
    model = make_model(config("retina_plugin.RetinaNet", dtype="float32")).eval()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        expected = model(images() * 0 + 1)[0][0].clone()
        for p in model.parameters():
            p.zero_()
        torch.testing.assert_close(twin(images() * 0 + 1)[0][0], expected)
        assert (model(images())[0][0] == 0).all()


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_a_whole_model_is_saved_and_loaded(protocol, make_model, make_sample, tiny_config):
    model = make_model(tiny_config().model, init=False).eval()
    again = pickle.loads(pickle.dumps(model, protocol=protocol))
    images = torch.rand(1, 3, 64, 64)
    one, other = (
        each.predict(images, [make_sample()])[0].pred_instances for each in (model, again)
    )
    torch.testing.assert_close(one.bboxes, other.bboxes, rtol=0, atol=0)
    assert again.backbone.conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_inferencer_runs_in_the_models_dtype(make_model, tmp_path, tiny_config):
    cfg = tiny_config()
    assert cfg.model.type == "retina_plugin.RetinaNet"
    cfg.model.dtype = "bfloat16"
    model = make_model(copy.deepcopy(cfg.model))
    torch.save(
        {
            "state_dict": model.state_dict(),
            "meta": {"dataset_meta": {"classes": ("dark", "light")}},
        },
        tmp_path / "m.pth",
    )
    cfg.dump(tmp_path / "c.py")
    inferencer = DetInferencer(
        str(tmp_path / "c.py"), str(tmp_path / "m.pth"), device="cpu", **QUIET
    )
    seen = []
    head = inferencer.model.bbox_head
    head.retina_cls.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    image = torch.randint(0, 255, (48, 64, 3), dtype=torch.uint8).numpy()
    assert len(inferencer(image)["predictions"]) == 1
    assert set(seen) == {torch.bfloat16}
    assert isinstance(cfg, Config)


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # dynamo looks at it
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # dynamo
@pytest.mark.parametrize("kind", ["retina_plugin.RetinaNet", "mmdet.RetinaNet"])
def test_compiled_by_pytorch_it_gives_the_same_losses(kind, make_model, samples):
    """`compile=True` of MMEngine's runner; here without generating code."""
    own = {"dtype": "float32"} if kind.startswith("retina") else {}
    model = make_model(config(kind, **own)).train()
    x = images()
    expected = model(x, samples, mode="loss")
    torch._dynamo.reset()
    losses = torch.compile(model, backend="eager")(x, samples, mode="loss")
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-7)


def can_convolve(dtype):
    try:
        torch.conv2d(torch.ones(1, 1, 1, 1, dtype=dtype), torch.ones(1, 1, 1, 1, dtype=dtype))
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize("cast", [torch.float64, torch.float16])
def test_weights_that_were_cast_are_computed_with_in_their_type(make_model, cast, monkeypatch):
    if not can_convolve(cast):
        pytest.skip(f"this PyTorch has no convolution in {cast} on the CPU")
    monkeypatch.setattr(processor, "computes_in_bfloat16", lambda _: True)
    model = make_model(config("retina_plugin.RetinaNet")).eval().to(cast)
    with torch.no_grad():
        assert model(images().to(cast))[0][0].dtype == cast


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_bottlenecks_in_the_usual_layout(make_model, dtype):
    """Their 1x1 weights lie in both layouts, their images in one."""
    backbone = {**BACKBONE, "depth": 50}
    neck = {**config("")["neck"], "in_channels": [32, 64, 128, 256]}
    options = {"backbone": backbone, "neck": neck, "dtype": dtype}
    usual = make_model(config("retina_plugin.RetinaNet", channels_last=False, **options)).eval()
    last = make_model(config("retina_plugin.RetinaNet", **options)).eval()
    last.load_state_dict(usual.state_dict())
    x = images()
    with torch.no_grad():
        for got, expected in zip(usual(x)[0], last(x)[0], strict=True):
            torch.testing.assert_close(got, expected, rtol=0.05, atol=0.05)


def test_unknown_dtype_is_an_error(make_model):
    with pytest.raises(ValueError, match="model.dtype must be one of"):
        make_model(config("retina_plugin.RetinaNet", dtype="float16"))


@pytest.mark.parametrize("is_wanted", [True, False])
def test_winograds_algorithm_is_an_option(make_model, is_wanted, monkeypatch):
    """And gives the outputs and gradients of the direct form."""
    seen = []
    run = winograd.convolution
    monkeypatch.setattr(winograd, "convolution", lambda *a, **k: seen.append(1) or run(*a, **k))
    wide = config("retina_plugin.RetinaNet", dtype="float32")
    wide["neck"]["out_channels"] = 64
    wide["bbox_head"].update(in_channels=64, feat_channels=64)
    direct, model = (make_model({**wide, "winograd": each}) for each in (False, is_wanted))
    model.load_state_dict(direct.state_dict())
    x, results = torch.randn(2, 3, 256, 256), []
    for each in (direct, model):
        assert not seen
        logits, deltas = each.train()(x, mode="tensor")
        sum(level.square().sum() for level in (*logits, *deltas)).backward()
        gradients = {name: p.grad for name, p in each.named_parameters() if p.grad is not None}
        results.append((logits, deltas, gradients))
    assert bool(seen) == is_wanted
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("place", ["image", "weight", "statistics"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_is_not_finite_inside_reaches_the_loss_and_no_detection(
    place, dtype, make_model, make_sample, tiny_config, bfloat16_kernels
):
    cfg = tiny_config().model
    cfg.dtype = dtype
    model, images = make_model(cfg).eval(), torch.zeros(1, 3, 64, 64)
    block = model.backbone.layer2[0]
    broken = {"image": images, "weight": block.conv1.weight, "statistics": block.bn1.running_var}
    with torch.no_grad():
        broken[place][0] = -1 if place == "statistics" else torch.nan
    assert not model.loss(images, [make_sample([[4, 4, 40, 44]], [0])])["loss_cls"].isfinite()
    assert len(model.predict(images, [make_sample()])[0].pred_instances) == 0


def test_hooks_of_all_modules_see_every_layer(make_model, tiny_config):
    """As a model without fast forms shows them; PyTorch's FlopCounterMode counts by them."""
    cfg = tiny_config().model
    plain = make_model({**cfg, "fold_norm": False, "winograd": False}, init=False)
    fast = make_model(cfg, init=False)
    fast.load_state_dict(plain.state_dict())
    heard, counted = [], []
    for model in (plain.eval(), fast.eval()):
        handle = register_module_forward_hook(lambda module, *_: heard.append(type(module)))
        with torch.no_grad():
            model(torch.zeros(1, 3, 64, 64))
        handle.remove()
        counted.append(list(heard))
        heard.clear()
        if find_spec("torch.utils.module_tracker"):  # the counter hears of calls by it, from 2.4 on
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                model(torch.zeros(1, 3, 64, 64))
            counted.append(counter.get_total_flops())
    half = len(counted) // 2
    assert counted[:half] == counted[half:]
