"""MMDetection's DetInferencer, for which a bad image is one error and not the end."""

import copy
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from mmdet.apis import DetInferencer as MMDetInferencer
from mmdet.apis import inference as mmdet_inference
from mmengine.runner import load_checkpoint
from torch import nn

from ..errors import UserError
from ..log import warn
from ..recipe.image_scale import follow_image_scale
from ..recipe.speed import choose_speed
from .inferencer_inputs import as_image, images_of_folder, name_of, reason_of
from .loaded_weights import check_detector

PER_INPUT = ("predictions", "visualization")
# Keeps an inferencer from drawing its progress; MMDetection knows the argument from 3.1 on.
QUIET: dict[str, bool] = {
    name: False for name in inspect.signature(MMDetInferencer).parameters if name == "show_progress"
}


class DetInferencer(MMDetInferencer):
    """MMDetection's inferencer, with the same arguments, which goes on past a bad input.

    Its results have two keys more. `inputs` names each input: its path, or `input` and its number;
    a folder's images come in the order of their names. `errors` holds a dict with `index`, `input`
    and `error` (a sentence) of each input that could not be read or prepared. `predictions[i]`, and
    `visualization[i]` where something is drawn, belong to `inputs[i]`, and are None for a bad one.
    """

    def __call__(self, inputs: Any, batch_size: int = 1, *args: Any, **options: Any) -> dict:
        """Detect objects in images, given as in MMDetection: paths, URLs, arrays (BGR), a folder.

        Bad ones leave their batch, and another image takes the place.

        Raises:
            UserError: no input at all could be used, or `batch_size` is below 1.
        """
        if batch_size < 1:
            raise UserError(f"DetInferencer expects batch_size to be 1 or more, not {batch_size}.")
        listed = self._inputs_to_list(inputs)
        names = [name_of(given, index) for index, given in enumerate(listed)]
        self._reasons: dict[int, str] = {}
        results = super().__call__(listed, batch_size, *args, **options)
        errors = [
            {"index": index, "input": names[index], "error": f"{names[index]}: {reason}."}
            for index, reason in self._reasons.items()
        ]
        if listed and len(errors) == len(listed):
            raise UserError(f"No input could be used ({len(listed)} given): {errors[0]['error']}")
        for index in self._reasons:
            for key in PER_INPUT:
                if results[key]:
                    results[key].insert(index, None)
        return {**results, "inputs": names, "errors": errors}

    def _inputs_to_list(self, inputs: Any) -> list:
        return super()._inputs_to_list(images_of_folder(inputs))

    def _init_model(self, cfg: Any, weights: str | None, device: str = "cpu") -> Any:
        """The model, in its fast form where the config asks for that."""
        head = cfg.get("model", {}).get("bbox_head", {})
        left_open = {
            "num_classes": head.get("num_classes", 0) is None,
            "loss_cls.alpha": isinstance(head.get("loss_cls", {}).get("alpha"), dict),
        }
        for key in (key for key, is_open in left_open.items() if is_open):
            raise UserError(
                f"The config leaves model.bbox_head.{key} open, which training fills in: give "
                "DetInferencer the config that training wrote into its work dir."
            )
        if cfg.get("image_scale", "auto") != "auto":
            follow_image_scale(cfg)
        if "model" in cfg:
            choose_speed(cfg)
        return super()._init_model(cfg, weights, device)

    def _load_weights_to_model(self, model: Any, checkpoint: Any, cfg: Any) -> None:
        """MMDetection's, with weights that fit the model and are finite.

        Raises:
            UserError: they do not, with the first names and the likely cause.
        """
        if checkpoint is not None:
            check_detector(model, checkpoint, "that DetInferencer was given")
        super()._load_weights_to_model(model, checkpoint, cfg)

    def _init_visualizer(self, cfg: Any) -> Any:
        return super()._init_visualizer(cfg) if cfg.get("visualizer") else None

    def _get_chunk_data(self, inputs: Iterable, chunk_size: int) -> Iterator[list]:
        """Batches of inputs, each with what the pipeline makes of it."""
        chunk = []
        for index, given in enumerate(inputs):
            try:
                chunk.append(self._prepare(given))
            except Exception as error:  # noqa: BLE001 (any transform may trip over an image)
                self._reasons[index] = reason_of(error)
                text = f"{name_of(given, index)} is left out: {self._reasons[index]}."
                warn(text)
            if len(chunk) == chunk_size:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _prepare(self, given: Any) -> tuple[Any, dict]:
        """An input as it is drawn on, and its data for the model."""
        if isinstance(given, dict):
            given = copy.deepcopy(given)
            if "img" in given:
                given["img"] = as_image(given["img"])
            drawn = given["img"] if "img" in given else given["img_path"]
        else:
            drawn = given = as_image(given) if isinstance(given, np.ndarray) else _path(given)
        data = self.pipeline(given)
        if data is None:
            raise UserError("the test pipeline made nothing of it")
        return drawn, data


def load_detector(model: nn.Module, filename: str, *args: Any, **options: Any) -> dict:
    """MMEngine's load_checkpoint for `init_detector`, which only logs weights that do not fit.

    Raises:
        UserError: they do not, are not finite, or the file holds something else.
    """
    try:
        checkpoint = load_checkpoint(model, filename, *args, **options)
    except RuntimeError as error:
        if "No state_dict found" not in str(error):
            raise
        raise UserError(f"{filename} holds no weights of a model by their names.") from error
    check_detector(model, checkpoint, str(filename))
    return checkpoint


mmdet_inference.load_checkpoint = load_detector


def _path(given: Any) -> str:
    if isinstance(given, str) or hasattr(given, "__fspath__"):
        return str(given)
    raise UserError(f"a path, a URL or an array is expected, not {type(given).__name__}")
