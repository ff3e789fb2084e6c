"""RetinaNet of ours under MMEngine's runner and MMDetection's tools."""

import itertools
import json
import pickle
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine.runner import Runner, load_checkpoint

from retina_plugin.engine.inferencer import QUIET
from retina_plugin.engine.launch import test as launch_test

NUMBER = itertools.count()
SCHEDULE = {"train_cfg.max_epochs": 2}


@pytest.fixture
def train(tiny_config):
    """Train a tiny config with options and return the runner."""

    def run(**options):
        runner = Runner.from_cfg(tiny_config(**options))
        runner.train()
        return runner

    return run


def scalars(runner):
    (path,) = Path(runner.work_dir).glob("*/vis_data/scalars.json")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_trains_evaluates_and_saves_the_best(train):
    runner = train(**SCHEDULE)
    evaluations = [line for line in scalars(runner) if "coco/bbox_mAP" in line]
    assert len(evaluations) == 2
    assert list(Path(runner.work_dir).glob("best_coco_bbox_mAP_epoch_*.pth"))
    assert (Path(runner.work_dir) / "epoch_2.pth").exists()
    state = torch.load(Path(runner.work_dir) / "epoch_2.pth", weights_only=False)["state_dict"]
    assert all(value.isfinite().all() for value in state.values())


def test_training_lowers_the_loss(train):
    options = {
        "train_cfg.max_epochs": 20,
        "train_cfg.val_interval": 20,
        "param_scheduler": [],
        "optim_wrapper.optimizer": {"type": "AdamW", "lr": 3e-3, "_delete_": True},
        "default_hooks.logger.interval": 1,
        "randomness.seed": 0,
    }
    losses = [line["loss"] for line in scalars(train(**options)) if "loss" in line]
    assert len(losses) == 20
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])


def test_ema_hook_averages_the_weights(train):
    hook = {"type": "EMAHook", "momentum": 0.5}
    runner = train(custom_hooks=[hook], **SCHEDULE)
    state = torch.load(Path(runner.work_dir) / "epoch_2.pth", weights_only=False)
    assert "ema_state_dict" in state
    (ema,) = (h for h in runner.hooks if type(h).__name__ == "EMAHook")
    averaged = dict(ema.ema_model.module.named_parameters())
    name = "bbox_head.retina_cls.weight"
    assert not torch.equal(averaged[name], dict(runner.model.named_parameters())[name])


def test_gradient_accumulation_equals_one_step_on_the_whole_batch(tiny_config):
    """Two forward passes of two images, or one of four, give the same weights."""
    weights = []
    for batch, count in ((4, 1), (2, 2)):
        options = {
            "optim_wrapper.accumulative_counts": count,
            "train_dataloader.batch_size": batch,
            "train_dataloader.sampler.shuffle": False,
            "train_dataloader.dataset.pipeline.3.prob": 0.0,
            "model.bbox_head.normaliser": "image",  # `batch` divides each half by its own count
            "param_scheduler": [],
            "randomness.seed": 0,
            "optim_wrapper.dtype": "float32",  # whose sums of halves are exact enough
        }
        cfg = tiny_config(**options)
        cfg.model.backbone.norm_eval = True
        cfg.work_dir += str(count)
        runner = Runner.from_cfg(cfg)
        runner.train()
        weights.append(runner.model.state_dict())
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-4, atol=1e-6)


def test_early_stopping_ends_the_training(train):
    hook = {
        "type": "EarlyStoppingHook",
        "monitor": "coco/bbox_mAP",
        "patience": 1,
        "min_delta": 2.0,
    }
    runner = train(custom_hooks=[hook], **{"train_cfg.max_epochs": 20})
    assert runner.epoch == 2


def test_tensorboard_receives_the_losses(train):
    runner = train(**{"visualizer.vis_backends": [{"type": "TensorboardVisBackend"}]})
    (events,) = Path(runner.work_dir).rglob("events.out.tfevents*")
    assert b"loss_bbox" in events.read_bytes()


@pytest.fixture
def trained(train, tiny_config):
    """A config file and a checkpoint of two epochs."""
    runner = train(**SCHEDULE)
    work_dir = Path(runner.work_dir)
    tiny_config().dump(work_dir / "config.py")
    return work_dir / "config.py", work_dir / "epoch_2.pth"


def evaluate(config, checkpoint, tmp_path, **arguments):
    defaults = {
        "work_dir": str(tmp_path / "test"),
        "cfg_options": [],
        "launcher": "none",
        "local_rank": 0,
        "out": None,
        "show": False,
        "show_dir": None,
        "wait_time": 0.0,
        "tta": False,
    }
    arguments = {**defaults, **arguments}
    # MMEngine names a run by config and second, and warns where two have one name.
    arguments["cfg_options"] = [*arguments["cfg_options"], f"experiment_name=run{next(NUMBER)}"]
    return launch_test(config=str(config), checkpoint=str(checkpoint), **arguments)


def test_results_are_dumped_and_drawn(trained, tmp_path):
    out, shown = tmp_path / "results.pkl", "drawn"
    assert evaluate(*trained, tmp_path, out=str(out), show_dir=shown) == 0
    results = pickle.loads(out.read_bytes())
    assert len(results) == 2
    assert {"bboxes", "scores", "labels"} <= results[0]["pred_instances"].keys()
    assert len(list((tmp_path / "test").rglob(f"{shown}/*.png"))) == 2


def test_test_time_augmentation_merges_flipped_views(trained, tmp_path):
    plain, augmented = tmp_path / "plain.pkl", tmp_path / "tta.pkl"
    options = ["model.test_cfg.score_thr=0.0"]
    assert evaluate(*trained, tmp_path, out=str(plain), cfg_options=options) == 0
    assert evaluate(*trained, tmp_path, out=str(augmented), tta=True, cfg_options=options) == 0
    first, second = (pickle.loads(path.read_bytes())[0] for path in (plain, augmented))
    assert len(second["pred_instances"]["scores"]) > 0
    assert not torch.equal(first["pred_instances"]["scores"], second["pred_instances"]["scores"])


def test_inferencer_finds_objects_in_files(trained, coco_folder, tmp_path):
    config, checkpoint = trained
    inferencer = DetInferencer(str(config), str(checkpoint), device="cpu", **QUIET)
    image = str(coco_folder / "images/val0.png")
    results = inferencer([image, image], batch_size=2, out_dir=str(tmp_path / "drawn"))
    assert len(results["predictions"]) == 2
    assert results["predictions"][0].keys() == {"labels", "scores", "bboxes"}
    assert (tmp_path / "drawn/vis/val0.png").exists()


def test_own_checkpoint_restores_every_weight(train, tiny_config, make_model):
    runner = train()
    model = make_model(tiny_config().model)
    load_checkpoint(model, f"{runner.work_dir}/epoch_1.pth", strict=True)
    for name, value in runner.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)


def voc_folder(coco_folder, root):
    """The training images of `coco_folder` in Pascal VOC's layout, one class name renamed."""
    base = root / "VOC2007"
    for folder in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (base / folder).mkdir(parents=True)
    content = json.loads((coco_folder / "annotations/train.json").read_text())
    for image in content["images"]:
        stem = Path(image["file_name"]).stem
        tree = ElementTree.Element("annotation")
        size = ElementTree.SubElement(tree, "size")
        for tag in ("width", "height"):
            ElementTree.SubElement(size, tag).text = "64"
        for annotation in content["annotations"]:
            if annotation["image_id"] == image["id"]:
                add_object(tree, annotation)
        ElementTree.ElementTree(tree).write(base / f"Annotations/{stem}.xml")
        data = (coco_folder / "images" / image["file_name"]).read_bytes()
        (base / f"JPEGImages/{stem}.jpg").write_bytes(data)
    stems = "\n".join(Path(image["file_name"]).stem for image in content["images"])
    (base / "ImageSets/Main/train.txt").write_text(stems)
    return root


def add_object(tree, annotation):
    entry = ElementTree.SubElement(tree, "object")
    ElementTree.SubElement(entry, "name").text = ("cat", "dog")[annotation["category_id"] - 1]
    ElementTree.SubElement(entry, "difficult").text = "0"
    box = ElementTree.SubElement(entry, "bndbox")
    x, y, width, height = annotation["bbox"]
    corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
    for tag, value in corners.items():
        ElementTree.SubElement(box, tag).text = str(value)


def test_voc_data_trains_and_evaluates(coco_folder, tiny_config, tmp_path):
    cfg = tiny_config(**SCHEDULE)
    root = voc_folder(coco_folder, tmp_path / "voc")
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        pipeline = loader.dataset.pipeline
        loader.dataset = {
            "type": "VOCDataset",
            "data_root": str(root),
            "ann_file": "VOC2007/ImageSets/Main/train.txt",
            "data_prefix": {"sub_data_root": "VOC2007/"},
            "metainfo": {"classes": ("cat", "dog")},
            "pipeline": pipeline,
            "test_mode": loader is cfg.val_dataloader,
        }
    cfg.val_evaluator = {"type": "VOCMetric", "metric": "mAP", "eval_mode": "11points"}
    cfg.default_hooks.checkpoint.save_best = None
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert any("pascal_voc/mAP" in line for line in scalars(runner))


def test_lvis_data_trains(coco_folder, tiny_config, tmp_path):
    content = json.loads((coco_folder / "annotations/train.json").read_text())
    for image in content["images"]:
        image.update(neg_category_ids=[], not_exhaustive_category_ids=[])
        image["coco_url"] = f"http://images.cocodataset.org/images/{image.pop('file_name')}"
    for category in content["categories"]:
        category["frequency"] = "f"
    (tmp_path / "lvis.json").write_text(json.dumps(content))
    cfg = tiny_config()
    cfg.train_dataloader.dataset.update(
        type="LVISV1Dataset", data_root="", ann_file=str(tmp_path / "lvis.json")
    )
    cfg.train_dataloader.dataset.data_prefix = {"img": f"{coco_folder}/"}
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.save_best = None
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 1
