"""A worker whose batch cannot be handed over ends, instead of being waited for."""

import pytest
import torch
from torch.utils.data import DataLoader

from retina_plugin.compat.worker_batches import ending


class Unsharable:
    """Data whose batches cannot be sent to another process."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return Refusing()


class Refusing:
    def __reduce__(self):
        raise RuntimeError("unable to allocate shared memory(shm)")


def test_the_run_hears_of_it(capfd):
    loader = DataLoader(Unsharable(), num_workers=1, collate_fn=lambda batch: batch)
    with pytest.raises(RuntimeError, match="DataLoader worker .*exited unexpectedly"):
        next(iter(loader))
    said = "A worker of a data loader cannot hand over its batch: unable to allocate"
    assert said in capfd.readouterr().err


class LoadedFirst(list):
    """Data that say, where they are unpickled, whether the package was there before them."""

    def __reduce__(self):
        return eval, ("[int('retina_plugin' in __import__('sys').modules)]",)


def test_a_worker_that_is_started_afresh_loads_the_package_before_its_data():
    loader = DataLoader(LoadedFirst([0]), num_workers=1, multiprocessing_context="spawn")
    assert [batch.tolist() for batch in loader] == [[1]]


def test_elsewhere_the_error_is_printed_as_before():
    said = []
    ending(lambda *words: said.append(words))("error", "batch")
    assert said == [("error", "batch")]
    assert torch.utils.data.get_worker_info() is None
