"""What is drawn for a sample depends on its seed alone."""

import itertools
import pickle
import random
from typing import ClassVar

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import DataLoader, Dataset

from retina_plugin.data.seeding import SampleIndex, SeededBatchSampler, SeededDataset, seed_host


class Draws(Dataset):
    """Each sample is its index and one number of each generator."""

    pipeline = "first"

    def __len__(self):
        return 10

    def __getitem__(self, index):
        assert type(index) is int
        return index, random.random(), float(np.random.rand()), float(torch.rand(()))


def batches(workers, start=0, epoch=0, seed=3):
    sampler = DefaultSampler(Draws(), seed=seed)
    sampler.set_epoch(epoch)
    batch_sampler = SeededBatchSampler(sampler, batch_size=3)
    batch_sampler.begin_at(start)
    loader = DataLoader(
        SeededDataset(Draws()), batch_sampler=batch_sampler, num_workers=workers, collate_fn=list
    )
    return list(loader)


def test_draws_do_not_depend_on_the_number_of_workers():
    assert batches(0) == batches(1) == batches(2)


def test_an_epoch_begun_in_the_middle_is_the_rest_of_the_whole_one():
    whole = batches(0)
    for start in range(5):
        assert batches(0, start) == whole[start:]


class Shapes(Draws):
    """A third of the images are upright."""

    metainfo: ClassVar = {}

    def get_data_info(self, index):
        return {"width": 1 + index % 3, "height": 2}


@pytest.mark.parametrize("left_after", [1, 2, 3, 7])
def test_a_pass_that_was_left_leaves_no_image_behind(left_after):
    """MMDetection's sampler keeps them: a bucket above the batch size is never full again."""

    def endless():
        sampler = InfiniteSampler(Shapes(), seed=3)
        batch_sampler = {"type": "mmdet.AspectRatioBatchSampler"}
        return SeededBatchSampler(sampler, 2, batch_sampler=batch_sampler)

    whole = list(itertools.islice(endless(), 12))
    resumed = endless()
    list(itertools.islice(resumed, left_after))  # what workers had read ahead
    resumed.sampler.indices = resumed.sampler._indices_of_rank()
    resumed.begin_at(4)
    assert list(itertools.islice(resumed, 8)) == whole[4:]


def test_epochs_and_seeds_draw_differently():
    draws = [
        {sample[1:] for b in batches(0, epoch=e, seed=s) for sample in b}
        for e, s in ((0, 3), (1, 3), (0, 4))
    ]
    assert all(len(each) == 10 for each in draws)
    assert not draws[0] & draws[1]
    assert not draws[0] & draws[2]


def test_a_seed_of_numpy_draws_as_that_of_python():
    drawn = [
        (seed_host(seed), random.random(), np.random.rand()) for seed in ((3, 1), (np.int64(3), 1))
    ]
    assert drawn[0] == drawn[1]


def test_start_counts_for_one_pass_only():
    sampler = SeededBatchSampler(DefaultSampler(Draws(), shuffle=False), batch_size=5)
    sampler.begin_at(1)
    assert [list(sampler), list(sampler)] == [[[5, 6, 7, 8, 9]], [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]]
    assert len(sampler) == 2


def test_other_batch_samplers_make_the_batches():
    config = {"type": "mmdet.AspectRatioBatchSampler", "drop_last": True}
    dataset = Draws()
    dataset.get_data_info = lambda i: {"width": 2 if i % 2 else 1, "height": 1.5}
    sampler = SeededBatchSampler(DefaultSampler(dataset, shuffle=False), 3, batch_sampler=config)
    assert list(sampler)[:2] == [[0, 2, 4], [1, 3, 5]]


def test_index_is_an_int_and_keeps_its_seed_on_the_way_to_a_worker():
    index = pickle.loads(pickle.dumps(SampleIndex(7, (1, 2))))
    assert index == 7
    assert index.seed == (1, 2)


def test_dataset_is_the_one_inside_for_all_others():
    inner = Draws()
    outer = SeededDataset(inner)
    outer.pipeline = "second"
    assert inner.pipeline == outer.pipeline == "second"
    assert outer[0][0] == 0
    assert not hasattr(outer, "metainfo")
    assert len(pickle.loads(pickle.dumps(outer))) == 10
