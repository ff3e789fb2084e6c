"""What the reader of checkpoints reads, and what it refuses."""

import os
import pickle
import tarfile
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch

from retina_plugin.compat.safe_load import allowed_globals, read_checkpoint
from retina_plugin.compat.strict_load import FORCED, load_strictly
from retina_plugin.errors import UserError
from retina_plugin.faults.hostile_pickles import LOCAL, Call

HEADER = b"\x80\x02"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.pth"


def rewritten(file, change):
    """The checkpoint with its pickle changed, whole as a zip file."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, change(content) if name.endswith("data.pkl") else content)


def read_pickle(file, content):
    """Read these opcodes as the pickle of a checkpoint."""
    torch.save({}, file)
    rewritten(file, lambda _: HEADER + content + b".")
    return load_strictly(file, None, allowed_globals())


@pytest.mark.parametrize("is_zip", [True, False])
def test_plain_values_and_tensors_come_back(file, is_zip):
    shared = torch.arange(6, dtype=torch.float16).view(2, 3)
    saved = {
        "tensors": [shared, shared.t(), shared[1:], torch.zeros(0), torch.tensor(True)],
        "types": [torch.ones(2).to(kind) for kind in (torch.bfloat16, torch.uint8, torch.int64)],
        "complex": [torch.tensor(1 + 2j), 3 - 1j],
        "parameter": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "plain": (None, True, 10**30, -5, 0.5, "ä", [], {}, (), {1, 2}, Counter(a=2)),
        "dtype": torch.float64,
        "size": torch.Size([1, 2]),
        "device": torch.device("cuda", 1),
    }
    torch.save(saved, file, _use_new_zipfile_serialization=is_zip)
    loaded = load_strictly(file, "cpu", allowed_globals())
    for key in ("tensors", "types"):
        assert all(map(torch.equal, saved.pop(key), loaded[key]))
        del loaded[key]
    assert torch.equal(loaded["parameter"], saved["parameter"])
    assert type(loaded.pop("parameter")) is type(saved.pop("parameter"))
    assert loaded == saved


def test_tensors_that_share_memory_still_share_it(file):
    weight = torch.arange(6.0)
    torch.save([weight, weight[2:]], file)
    whole, part = load_strictly(file, None, [])
    part.zero_()
    assert whole.tolist() == [0, 1, 0, 0, 0, 0]


def test_a_state_dict_keeps_its_order_and_its_versions(file):
    state = torch.nn.BatchNorm2d(2).state_dict()
    torch.save(state, file)
    loaded = load_strictly(file, None, [])
    assert type(loaded) is OrderedDict
    assert list(loaded) == list(state)
    assert loaded._metadata == state._metadata


@pytest.mark.parametrize("code", ["f8", ">f8", "<f4", ">i2", "b1", "c16", "U3", ">U2", "S4", "u1"])
def test_arrays_and_numbers_of_numpy_come_back_with_their_type(file, code):
    array = np.array([[1, 0], [0, 1]]).astype(code)
    saved = [array, np.asfortranarray(array), array[:0], array[0, 0]]
    torch.save(saved, file)
    loaded = load_strictly(file, None, allowed_globals())
    for before, after in zip(saved, loaded, strict=True):
        assert np.array_equal(before, after)
        assert before.dtype == after.dtype
        assert before.shape == after.shape
    assert loaded[0].flags.writeable


@pytest.mark.parametrize("kind", LOCAL)
def test_nothing_that_a_hostile_file_names_is_called(file, tmp_path, kind):
    write, sentence = LOCAL[kind]
    write(file, tmp_path / "mark")
    with pytest.raises(UserError, match=sentence):
        read_checkpoint(file)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nmkdir\n",
        b"cbuiltins\neval\n",
        b"c__builtin__\neval\n",
        b"ctorch._tensor\n_rebuild_from_type_v2\n",
        b"ctorch.serialization\n_get_layout\n",
        b"cposix\nsystem\n",
        b"cnumpy\nload\n",
        b"ccollections\nOrderedDict.fromkeys\n",
    ],
)
def test_names_that_are_not_listed_are_refused(file, content):
    with pytest.raises(pickle.UnpicklingError, match="GLOBAL"):
        read_pickle(file, content)


@pytest.mark.parametrize(
    "content",
    [
        b"cmmengine.logging.history_buffer\nHistoryBuffer\n)R",  # calls a type
        b"cnumpy\nndarray\n)R",
        b"cnumpy\nndarray\n)\x81",  # makes an object of it
        b"ccollections\nOrderedDict\n)\x81",
        b"ccollections\nOrderedDict\n}b",  # the state of a class
        b"]}b",  # the state of a list
        b"ctorch._utils\n_rebuild_tensor_v2\n}b",  # of a function
        b"]K\x00K\x05s",  # sets an item of a list
        b"ctorch\nSize\n)RK\x00K\x05s",
        b"ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsK\x01sb",  # hides a method
        b"}K\x01a",  # appends to a dict
        b"\x8c\x02os\x8c\x05mkdir\x93",  # opcodes of later protocols
        b"(ios\nmkdir\n",  # and of earlier ones
        b"(cos\nmkdir\no",
        b"\x82\x01",  # the registry of extensions
        b"\x92",
        b"Pabc\n",
    ],
)
def test_calls_and_states_that_are_not_listed_are_refused(file, content):
    with pytest.raises(pickle.UnpicklingError, match="GLOBAL"):
        read_pickle(file, content)


@pytest.mark.parametrize("content", [b"", b"a", b"R", b"b", b"u", b"h\x01", b"}(K\x01u", b"K"])
def test_a_pickle_that_breaks_off_is_damaged(file, content):
    torch.save({}, file)
    rewritten(file, lambda _: HEADER + content + b".")
    with pytest.raises(UserError, match="cannot be read as a checkpoint"):
        read_checkpoint(file)


def numbers(*items):
    return b"(" + b"".join(b"K" + bytes([item]) for item in items) + b"t"


def a_tensor(offset=0, size=(4,), stride=(1,), count=4):
    """Opcodes of a tensor over storage 0, whose number of elements the file may lie about."""
    storage = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuK%ctQ" % count
    place = b"K" + bytes([offset]) + numbers(*size) + numbers(*stride)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + place + b"\x89}tR"


def read_tensor(file, **lies):
    torch.save(torch.arange(4.0), file)
    rewritten(file, lambda _: HEADER + a_tensor(**lies) + b".")
    return load_strictly(file, None, allowed_globals())


def test_a_tensor_within_its_storage_is_read(file):
    assert read_tensor(file).tolist() == [0, 1, 2, 3]
    assert read_tensor(file, offset=1, size=(2,), stride=(2,)).tolist() == [1, 3]


@pytest.mark.parametrize(
    "lie",
    [
        {"count": 200},  # memory behind the storage
        {"count": 3, "size": (3,)},
        {"size": (5,)},
        {"offset": 1},
        {"stride": (2,)},
        {"size": (2, 2)},
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(file, lie):
    with pytest.raises(pickle.UnpicklingError, match="storage|no size"):
        read_tensor(file, **lie)


def test_a_storage_with_a_path_for_a_name_is_refused(file):
    torch.save(torch.arange(4.0), file)
    rewritten(file, lambda content: content.replace(b"X\1\0\0\x000", b"X\7\0\0\0../data"))
    with pytest.raises(Exception, match="data"):
        load_strictly(file, None, [])


@pytest.mark.parametrize("flags", [1, 2, 4, 127, -1])
def test_the_state_of_a_type_cannot_turn_numbers_into_pointers(file, flags):
    """numpy takes flags from a pickle as they are; 1 says that the items are Python's objects."""

    class Flagged:
        def __reduce__(self):
            return np.dtype, ("U2", False, True), (3, "<", None, None, None, 8, 4, flags)

    class Array:
        def __reduce__(self):
            function, arguments, _ = np.empty(1).__reduce__()
            return function, arguments, (1, (1,), Flagged(), False, "ab".encode("utf-32-le"))

    torch.save(Array(), file)
    loaded = load_strictly(file, None, allowed_globals())
    assert loaded.tolist() == ["ab"]
    assert loaded.dtype.flags == np.dtype("U2").flags


@pytest.mark.parametrize("content", [[1], "ab", b"abc"])
def test_an_array_whose_content_does_not_fit_is_refused(file, content):
    function, arguments, state = np.empty(1).__reduce__()

    class Array:
        def __reduce__(self):
            return function, arguments, (*state[:4], content)

    torch.save({"meta": Array()}, file)
    with pytest.raises(UserError, match=r"asks for|cannot be read"):
        read_checkpoint(file)


def test_a_call_inside_of_a_call_is_refused_as_well(file):
    torch.save({"meta": Call(OrderedDict, [("a", Call(os.mkdir, "b"))])}, file)
    with pytest.raises(UserError, match=r"asks for (posix|nt)\.mkdir"):
        read_checkpoint(file)


def test_bytes_are_decoded_by_one_codec_alone(file):
    with pytest.raises(pickle.UnpicklingError, match=r"_codecs\.encode\('zip'\)"):
        read_pickle(file, b"c_codecs\nencode\n(X\1\0\0\0aX\3\0\0\0ziptR")


def test_a_tar_file_is_not_unpacked_whatever_its_first_letter(file, tmp_path):
    """PyTorch before 2.6 unpacks it, links and all."""
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT, encoding="latin1") as archive:
        archive.addfile(tarfile.TarInfo("\x80a"))
        link = tarfile.TarInfo("storages")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
    assert file.read_bytes()[:1] == b"\x80"
    with pytest.raises(UserError, match="no checkpoint of PyTorch"):
        read_checkpoint(file)


def test_the_variable_that_asks_for_pytorchs_reader_stays_as_it_was(file, monkeypatch):
    monkeypatch.setenv(FORCED, "1")
    torch.save({"weight": torch.ones(2)}, file)
    assert read_checkpoint(file)["weight"].tolist() == [1, 1]
    assert os.environ[FORCED] == "1"
