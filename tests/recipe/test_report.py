from retina_plugin.recipe import Change, print_changes


def test_changes_of_one_reason_stand_together(capsys):
    print_changes([Change("a", 1, "why"), Change("b", 2, "else"), Change("c", [3], "why")])
    assert capsys.readouterr().out == "why:\n    a = 1\n    c = [3]\nelse:\n    b = 2\n"


def test_a_long_value_is_cut(capsys):
    print_changes([Change("a", "x" * 200, "why")])
    assert max(map(len, capsys.readouterr().out.splitlines())) < 100
