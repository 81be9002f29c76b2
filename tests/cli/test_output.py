"""Tables and JSON: what stands in documents is shown as it is and does nothing."""

import json

from reconciler.cli.output import print_json, print_table


def test_a_table_is_aligned_and_has_no_edge(capsys):
    print_table(("NAME", "WHY"), [("a", "x" * 300), ("longer", "")])
    header, first, second = capsys.readouterr().out.splitlines()
    assert header == "NAME     WHY"
    assert first == "a        " + "x" * 300
    assert second == "longer"


def test_markup_and_control_characters_do_nothing(capsys):
    print_table(("NAME",), [("[red]a[/red]",), ("\x1b[2J:bomb:",), ("a\u202eb",)])
    assert capsys.readouterr().out.splitlines()[1:] == ["[red]a[/red]", "\\u001b[2J:bomb:", "a\\u202eb"]


def test_json_is_for_programs(capsys):
    print_json({"a": [1, "ü"]})
    assert json.loads(capsys.readouterr().out) == {"a": [1, "ü"]}
