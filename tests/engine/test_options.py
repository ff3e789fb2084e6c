import pytest
from mmengine.config import DictAction

from retina_plugin.engine.options import parsed, quoted, refuse
from retina_plugin.errors import UserError


@pytest.mark.parametrize(
    "text",
    [
        *("5", "-0.5", "1e-3", "True", "false", "None", "word", "a/b_c.json", "", "[]", "(1)"),
        *("1,2", "[1,2]", "(1, 2)", "[(1,2),[a,b],c]", "[true,1]", "a,b", "[a, b]", "'[1,2]'"),
    ],
)
def test_values_are_read_as_mmengine_reads_them(text):
    found = parsed([f"key={text}"])["key"]
    expected = DictAction._parse_iterable(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("my data/", "my data/"),
        ("'my data, old/'", "my data, old/"),
        ('"a,b"', "a,b"),
        ('"5"', "5"),
        ("""["pin hole", 'short']""", ["pin hole", "short"]),
        ("""("pin hole",)""", ("pin hole",)),
        ("a=b c", "a=b c"),
    ],
)
def test_a_text_keeps_its_spaces_and_in_quotes_its_commas(text, value):
    assert parsed([f"key={text}"]) == {"key": value}


@pytest.mark.parametrize("text", ["[pin hole,short]", "my data, old/", "(a b)"])
def test_a_list_would_lose_spaces_without_quotes_and_says_so(text):
    with pytest.raises(UserError, match="texts with spaces or commas need quotes"):
        parsed([f"key={text}"])


@pytest.mark.parametrize("text", ["my data, old/", "it's/", 'a "b"/', "5", "[1,2]x"])
def test_a_quoted_text_comes_back(text):
    assert parsed([f"key={quoted(text)}"]) == {"key": text}


def test_an_option_that_is_set_already_is_refused_with_its_parts_and_its_whole():
    taken = ["train_cfg.max_iters"]
    for key in ("train_cfg.max_iters", "train_cfg", "train_cfg.max_iters.x"):
        with pytest.raises(UserError, match=f"--cfg-options {key} cannot be set here: use that."):
            refuse([f"{key}=1"], taken, "use that")
    refuse(["train_cfg.max_iters_of_another=1", "train=1"], taken, "use that")


def test_a_pair_without_a_value_is_named():
    with pytest.raises(UserError, match="expects KEY=VALUE, not lr"):
        parsed(["lr"])


@pytest.mark.parametrize("text", ["[1,2", "(a,b]", "[1,2]x"])
def test_brackets_that_do_not_match_are_one_sentence_wherever_options_are_read(text):
    with pytest.raises(UserError, match=r"--cfg-options key=.*: the brackets of its value"):
        parsed([f"key={text}"])
    with pytest.raises(UserError, match=r"the brackets of its value do not match"):
        refuse([f"key={text}"], [], "")
