import json
from dataclasses import dataclass, field

import pytest

from retina_plugin.analysis.kept_files import content_of, fits, instance, is_number
from retina_plugin.errors import UserError


@dataclass(frozen=True)
class Kept:
    name: str
    number: int
    time: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    losses: list[tuple[int, float]] = field(default_factory=list)


GOOD = {"name": "a", "number": 3, "time": 1, "metrics": {"AP": 0.5}, "losses": [[1, 2.0]]}


def test_a_dataclass_comes_back(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(GOOD))
    found = instance(Kept, content_of(tmp_path / "a.json", "kept"), tmp_path / "a.json", "kept")
    assert found == Kept("a", 3, 1, {"AP": 0.5}, [[1, 2.0]])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": None}, "name is None, not a text"),
        ({"number": True}, "number is True, not a whole number"),
        ({"number": 3.0}, "number is 3.0, not a whole number"),
        ({"number": "3"}, "number is '3', not a whole number"),
        ({"time": float("nan")}, "time is nan, not a finite number or null"),
        ({"time": 10**400}, "time is 1000.*, not a finite number or null"),
        ({"metrics": {"AP": "0.5"}}, "metrics is .*, not names, each with a finite number"),
        ({"metrics": [0.5]}, "metrics is"),
        ({"losses": [[1, 2.0, 3.0]]}, "losses is .*, not a list, each of it a list of 2"),
        ({"losses": "abc"}, "losses is 'abc'"),
        ({"unknown": 1}, "unexpected keyword argument 'unknown'"),
    ],
)
def test_a_value_of_another_type_is_named(tmp_path, changes, said):
    with pytest.raises(UserError, match=f"a.json holds no figures: .*{said}"):
        instance(Kept, {**GOOD, **changes}, tmp_path / "a.json", "figures")


@pytest.mark.parametrize("content", [None, [], 3, {"name": "a"}])
def test_what_is_no_object_or_lacks_a_field_is_named(tmp_path, content):
    with pytest.raises(UserError, match=r"a.json holds no figures"):
        instance(Kept, content, tmp_path / "a.json", "figures")


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=r"a.json holds no figures"):
        content_of(tmp_path / "a.json", "figures")


def test_a_truth_value_is_no_number():
    assert fits(True, bool)
    assert not fits(True, int)
    assert not is_number(True)
    assert not is_number("1")
    assert is_number(-1)
