"""Memory is used again when nobody holds it, and never before."""

import torch

from retina_plugin.kernels.buffer import Buffer


def wish(count=100, dtype=torch.float32):
    return torch.zeros(count, 2, dtype=dtype)


def test_memory_is_used_again_for_as_much_or_less():
    buffer = Buffer(least=8)
    first, is_new = buffer.empty_like(wish())
    place = first.data_ptr()
    assert is_new
    del first
    for count, dtype in ((100, torch.float32), (30, torch.float32), (150, torch.bfloat16)):
        again, is_new = buffer.empty_like(wish(count, dtype))
        assert (again.data_ptr(), is_new) == (place, False)
        assert (again.shape, again.dtype) == ((count, 2), dtype)
        assert again.is_contiguous()
        del again


def test_memory_that_somebody_holds_is_left_alone():
    buffer = Buffer(least=8)
    for hold in (lambda t: t, lambda t: t[1:], lambda t: t.numpy(), lambda t: t.detach()):
        first, _ = buffer.empty_like(wish())
        first.fill_(3.0)
        held = hold(first)
        del first
        second, is_new = buffer.empty_like(wish())
        assert is_new
        second.zero_()
        assert (held == 3).all()
        del second, held


def test_larger_result_takes_the_place_of_a_smaller_one():
    buffer = Buffer(least=8)
    small, _ = buffer.empty_like(wish(10))
    large, is_new = buffer.empty_like(wish(1000))
    assert is_new
    place = large.data_ptr()
    del small, large
    assert buffer.empty_like(wish(10))[0].data_ptr() == place


def test_small_results_are_not_kept():
    buffer = Buffer(least=1 << 20)
    assert all(buffer.empty_like(wish())[1] for _ in range(3))


def test_accelerators_keep_their_own_memory():
    buffer = Buffer(least=8)
    buffer.empty_like(wish())
    assert buffer.empty_like(wish().to("meta"))[0].device.type == "meta"


def test_released_memory_is_not_used_again():
    buffer = Buffer(least=8)
    first, _ = buffer.empty_like(wish())
    buffer.release()
    assert buffer.empty_like(wish())[1]


def test_input_that_is_not_contiguous_gets_a_contiguous_result():
    result, _ = Buffer(least=8).empty_like(torch.zeros(4, 6).t())
    assert result.shape == (6, 4)
    assert result.is_contiguous()
