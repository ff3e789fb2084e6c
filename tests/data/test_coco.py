import json
import struct
import zlib

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from retina_plugin.data.seeding import SampleIndex, SeededDataset
from retina_plugin.errors import UserError


def boxes_of(dataset, index=0):
    return dataset[index]["data_samples"].gt_instances


def declare(width, height):
    """A PNG that declares a size and holds next to nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"")))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_a_good_file_is_prepared_without_a_word(build, content, logged):
    dataset = build(content)
    sample = dataset[0]
    assert sample["inputs"].shape == (3, 48, 64)
    assert sample["data_samples"].gt_instances.bboxes.tensor.tolist() == [[10, 10, 30, 30]] * 2
    assert not [record for record in logged.records if "a.json" in record.getMessage()]


def test_labels_follow_the_classes(build, content):
    assert boxes_of(build(content)).labels.tolist() == [0, 1]
    reverse = build(content, metainfo={"classes": ("dog", "cat")})
    assert boxes_of(reverse).labels.tolist() == [1, 0]
    assert reverse.metainfo["labels_follow"] == "classes"


def test_crowd_is_kept_apart(build, content):
    content["annotations"][0]["iscrowd"] = 1
    sample = build(content)[0]["data_samples"]
    assert (len(sample.gt_instances), len(sample.ignored_instances)) == (1, 1)


def test_a_box_that_cannot_be_used_is_counted(build, content, logged):
    content["annotations"][0]["bbox"] = [70, 0, 10, 10]
    assert boxes_of(build(content)).labels.tolist() == [1]
    assert "left out 1 of 4 annotations: 1 outside the image" in logged.text


def test_training_without_a_box_is_an_error_and_testing_is_not(build, content):
    for annotation in content["annotations"]:
        annotation["iscrowd"] = 1
    with pytest.raises(UserError, match="no box of the classes cat, dog is left in 2 images"):
        build(content)
    assert len(build(content, test_mode=True)) == 2


def test_a_file_of_background_alone_is_said_to_be_one(build, content, logged):
    content["annotations"] = []
    with pytest.raises(UserError, match="no box of the classes .* or set background=True"):
        build(content)
    assert len(build(content, background=True)) == 2
    assert "has no boxes: its 2 images are background" in logged.text


def test_a_filter_that_leaves_nothing_is_named(build, content):
    with pytest.raises(UserError, match="leaves none of 2 images"):
        build(content, filter_cfg={"min_size": 100})


def test_what_the_filter_leaves_out_is_counted(build, content, logged):
    content["annotations"] = content["annotations"][:2]
    assert len(build(content, filter_cfg={"filter_empty_gt": True})) == 1
    assert "left out 1 of 2 images" in logged.text


@pytest.mark.parametrize("bytes_", [b"", b"no image", None, declare(64, 48), declare(48, 64)])
def test_an_unreadable_image_is_named_with_its_id(build, content, tmp_path, bytes_):
    dataset = build(content)
    path = tmp_path / "2.png"
    path.unlink()
    if bytes_ is not None:
        path.write_bytes(bytes_)
    with pytest.raises(UserError, match=r"cannot read image .*2.png \(image id 2\)") as caught:
        dataset[1]
    assert "\n" not in str(caught.value)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(build, content, tmp_path):
    dataset = build(content)
    (tmp_path / "1.png").write_bytes(declare(40000, 40000))
    with pytest.raises(UserError, match="image id 1.*decompression bomb"):
        dataset[0]
    (tmp_path / "1.png").write_bytes(declare(9000, 9000))
    with pytest.raises(UserError, match="is 9000 x 9000 px, but .*image id 1 width 64"):
        dataset[0]


def test_a_png_that_declares_more_than_it_holds_is_refused(build, content, tmp_path):
    dataset = build(content)
    data = bytearray((tmp_path / "1.png").read_bytes())
    (tmp_path / "1.png").write_bytes(data + b"more after its end")
    assert dataset[0]["inputs"].shape == (3, 48, 64)
    place = data.index(b"IDAT")
    data[place - 4 : place] = (2**31).to_bytes(4, "big")  # of which OpenCV would allocate all
    (tmp_path / "1.png").write_bytes(data)
    with pytest.raises(UserError, match=r"image id 1\): it ends \d+ bytes before"):
        dataset[0]


def test_skipping_takes_another_image_says_so_and_has_a_ceiling(build, content, tmp_path, logged):
    extra = [{**content["images"][0], "id": i, "file_name": f"{i}.png"} for i in range(3, 9)]
    content["images"] += extra
    dataset = build(content, unreadable="skip", max_unreadable=2)
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(b"")
    taken = [dataset[i]["data_samples"].img_id for i in (0, 1, 0)]
    assert min(taken) > 2
    assert "skipped 2 of at most 2 in this process: cannot read image" in logged.text
    (tmp_path / "3.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"3 images cannot be used.*1.png, .*2.png, .*3.png"):
        dataset[2]


def test_the_image_taken_instead_follows_from_the_seed(build, content, tmp_path):
    content["images"] += [{**content["images"][0], "id": i} for i in range(3, 30)]
    dataset = SeededDataset(build(content, unreadable="skip"))
    (tmp_path / "2.png").write_bytes(b"")
    taken = [dataset[SampleIndex(1, (seed,))]["data_samples"].img_id for seed in (1, 1, 2, 3, 4, 5)]
    assert taken[0] == taken[1]
    assert len(set(taken)) > 1


def test_evaluation_skips_nothing(build, content):
    with pytest.raises(UserError, match="evaluation must see every image"):
        build(content, unreadable="skip", test_mode=True)


@pytest.mark.parametrize(
    "options", [{"unreadable": "warn"}, {"max_unreadable": "many"}, {"max_dropped": -1}]
)
def test_options_are_checked(build, content, options):
    with pytest.raises(UserError, match=f"{next(iter(options))} expects"):
        build(content, **options)


def test_a_size_that_is_not_the_files_is_an_error_unless_allowed(build, content):
    content["images"][0]["width"] = 70
    with pytest.raises(UserError, match="is 64 x 48 px, but .*image id 1 width 70 and height 48"):
        build(content)[0]
    assert len(boxes_of(build(content, check_size=False))) == 2


def test_a_photo_turned_by_its_exif_orientation_is_told(build, content, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    content["images"][0]["file_name"] = "turned.jpg"
    Image.new("RGB", (64, 48)).save(tmp_path / "turned.jpg", exif=exif)
    with pytest.raises(UserError, match="decodes to 48 x 64 px, .* EXIF"):
        build(content)[0]
    loader = {"type": "LoadImageFromFile", "color_type": "color_ignore_orientation"}
    assert build(content, pipeline=[loader])[0]["img"].shape == (48, 64, 3)
    content["images"][0].update(width=48, height=64)
    assert build(content)[0]["data_samples"].ori_shape == (64, 48)


def test_a_transform_that_fails_names_the_image(build, content, tmp_path):
    content["images"][0].update(file_name="thin.png", width=4000, height=2)
    content["annotations"] = content["annotations"][2:]
    cv2.imwrite(str(tmp_path / "thin.png"), np.zeros((2, 4000, 3), dtype=np.uint8))
    with pytest.raises(UserError, match=r"cannot prepare image .*thin.png \(image id 1\)"):
        build(content)[0]
    assert build(content, unreadable="skip")[0]["data_samples"].img_id == 2


def test_boxes_that_the_transforms_made_too_small_are_dropped_and_counted(build, content, logged):
    content["annotations"][0]["bbox"] = [10, 10, 1.5, 20]  # 0.75 px at half the size
    pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": "LoadAnnotations", "with_bbox": True},
        {"type": "Resize", "scale": (32, 32), "keep_ratio": True},
        {"type": "RandomFlip", "prob": 0.0},  # MMDetection 3.0 packs what it writes
        {"type": "PackDetInputs"},
    ]
    dataset = build(content, pipeline=pipeline)
    for _ in range(5):
        assert boxes_of(dataset).labels.tolist() == [1]
    assert "1.png (image id 1): dropped 1 boxes" in logged.text
    assert logged.text.count("so far in this process") == 3  # at 1, 2 and 4


@pytest.mark.parametrize("name", ["/etc/hostname", "../x.png", "s3://bucket/x.png"])
def test_a_name_that_leads_out_is_an_error_unless_allowed(build, content, tmp_path, name):
    build(content)
    (tmp_path / "b.json").write_text(json.dumps(content).replace("1.png", name))
    with pytest.raises(UserError, match="image id 1: file_name must be a path inside"):
        build(content, ann_file="b.json")
    assert len(build(content, ann_file="b.json", allow_outside=True)) == 2


def test_a_link_that_leads_out_is_an_error_unless_allowed(
    build, content, tmp_path, tmp_path_factory
):
    dataset = build(content)
    outside = tmp_path_factory.mktemp("outside") / "1.png"
    (tmp_path / "1.png").rename(outside)
    (tmp_path / "1.png").symlink_to(outside)
    with pytest.raises(UserError, match="image id 1: .*1.png leads out of"):
        dataset[0]
    assert build(content, allow_outside=True)[0]["inputs"].shape == (3, 48, 64)


def test_annotation_and_proposal_files_are_json_inside_the_data(build, content):
    with pytest.raises(UserError, match="ann_file: ../a.json leads out of data_root"):
        build(content, ann_file="../a.json")
    with pytest.raises(UserError, match="proposal_file: p.pkl must be a JSON file"):
        build(content, proposal_file="p.pkl")


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16"])
def test_other_kinds_of_images_become_three_channels(build, content, tmp_path, mode):
    name = "a.jpg" if mode == "CMYK" else "a.gif" if mode == "P" else "a.png"
    content["images"][0]["file_name"] = name
    if mode == "I;16":
        cv2.imwrite(str(tmp_path / name), np.full((48, 64), 102 * 257, dtype=np.uint16))
    else:
        Image.new("RGB", (64, 48), (102, 102, 102)).convert(mode).save(tmp_path / name)
    if not cv2.haveImageReader(str(tmp_path / name)):
        pytest.skip(f"this OpenCV does not read {name[2:]}")
    image = build(content)[0]["inputs"]
    assert image.shape == (3, 48, 64)
    assert torch.all((image.float() - 102).abs() <= 1)
