import json
from pathlib import Path

import pytest
from mmengine.config import Config

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def load():
    """A config of the package with options merged in, as --cfg-options does."""

    def build(name, **options):
        cfg = Config.fromfile(CONFIGS / f"{name}.py")
        cfg.merge_from_dict({key.replace("__", "."): value for key, value in options.items()})
        return cfg

    return build


@pytest.fixture
def write_coco():
    """Write a COCO file with some categories and one image, and the image as an empty file."""

    def write(ann_file, image=None, names=("cat", "dog"), size=(64, 48), annotations=({},)):
        ann_file.parent.mkdir(parents=True, exist_ok=True)
        categories = [{"id": i + 1, "name": name} for i, name in enumerate(names)]
        images = [{"id": 1, "file_name": "a.png", "width": size[0], "height": size[1]}]
        content = {"images": images, "categories": categories, "annotations": list(annotations)}
        ann_file.write_text(json.dumps(content))
        if image:
            image.parent.mkdir(parents=True, exist_ok=True)
            image.touch()

    return write
