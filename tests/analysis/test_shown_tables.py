from rich.console import Console

from retina_plugin.analysis.shown_tables import Page, Shown, print_page, write_html, write_markdown

LONG = "word " * 100
PAGE = Page(
    "page",
    [Shown("[b]title", ("a", "b"), [("[bold]x", LONG), ("2", "γ")], "note", "lead")],
    "intro",
)


def test_a_row_is_one_line_of_markdown_however_long(tmp_path):
    write_markdown(PAGE, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4  # columns, rule, two rows
    assert LONG.strip() in rows[2]
    assert "\n\n\n" not in text
    assert text.startswith("intro\n\n### [b]title\n\nlead\n\n|")


def test_a_bar_in_a_name_ends_no_cell_of_markdown(tmp_path):
    write_markdown(Page("page", [Shown("t", ("a", "b"), [("x|y", "z")], "")]), tmp_path / "page.md")
    assert r"| x\|y | z |" in (tmp_path / "page.md").read_text()


def test_brackets_are_text_and_no_markup(tmp_path, capsys):
    print_page(PAGE, Console(width=200))
    write_markdown(PAGE, tmp_path / "page.md")
    write_html(PAGE, tmp_path / "page.html")
    for shown in (
        capsys.readouterr().out,
        (tmp_path / "page.md").read_text(),
        (tmp_path / "page.html").read_text(),
    ):
        assert "[bold]x" in shown
        assert "[b]title" in shown
