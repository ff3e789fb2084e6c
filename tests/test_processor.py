"""The capabilities that the processor reports, and what limits them."""

import pytest
import torch

from retina_plugin import processor
from retina_plugin.processor import computes_in_bfloat16, onednn_computes_in


@pytest.fixture
def no_limit(monkeypatch):
    for name in processor.LIMITS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"bf16": True}, True),
        ({"avx512_f": True, "bf16": False}, False),
        ({}, False),
    ],
)
def test_processor_flags_decide_on_the_cpu(capabilities, expected, monkeypatch, no_limit):
    monkeypatch.setattr(processor, "cpu_capabilities", lambda: capabilities)
    assert computes_in_bfloat16("cpu") is expected
    assert not computes_in_bfloat16("meta")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ONEDNN_MAX_CPU_ISA", "AVX2", False),
        ("ONEDNN_MAX_CPU_ISA", "avx512_core", False),
        ("DNNL_MAX_CPU_ISA", "AVX2", False),
        ("ATEN_CPU_CAPABILITY", "avx2", False),
        ("ATEN_CPU_CAPABILITY", "default", False),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_AMX", True),
        ("ATEN_CPU_CAPABILITY", "avx512", True),
    ],
)
def test_a_limit_of_the_environment_counts(name, value, expected, monkeypatch, no_limit):
    monkeypatch.setattr(processor, "cpu_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setenv(name, value)
    assert computes_in_bfloat16("cpu") is expected
    assert onednn_computes_in(torch.bfloat16) is expected


@pytest.mark.parametrize(
    ("capability", "hip", "expected"),
    [((8, 0), None, True), ((7, 5), None, False), ((9, 0), None, True), ((7, 0), "6.2", True)],
)
def test_a_gpu_has_bfloat16_from_capability_8_on(capability, hip, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.version, "hip", hip)
    assert computes_in_bfloat16("cuda") is expected


def test_without_a_gpu_there_is_no_bfloat16_on_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert not computes_in_bfloat16("cuda")


def test_onednn_that_is_off_computes_nothing(monkeypatch):
    assert onednn_computes_in(torch.float32)
    assert not onednn_computes_in(torch.float64)
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert not onednn_computes_in(torch.float32)
