"""How documents are spoken of."""

import pytest

from reconciler.documents.words import field_name, listed, one_line, show, suggestion


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ((), ""),
        (("spec", "serving", "env", 0, "value"), "spec.serving.env[0].value"),
        (("metadata", "labels", "a.b/c"), "metadata.labels['a.b/c']"),
        (("x\ny",), "['x\\u000ay']"),
        (("a", "b" * 100), f"a['{'b' * 60}…']"),
        (("a", "ghp_" + "a1B2" * 9), "a[(hidden)]"),
    ],
)
def test_a_field_has_a_name_on_one_line(path, name):
    assert field_name(path) == name


def test_words_are_listed_as_people_do_it():
    assert listed([]) == "none"
    assert listed(["a"]) == "'a'"
    assert listed(["b", "a"]) == "'a' and 'b'"
    assert listed(["c", "b", "a"]) == "'a', 'b' and 'c'"
    assert listed(f"{n:02}" for n in range(14)).endswith("'11' and 2 more")


def test_a_word_is_suggested_when_it_is_close():
    assert suggestion("digset", ["digest", "format"]) == "did you mean 'digest'?"
    assert suggestion("zebra", ["digest", "format"]) == ""
    assert suggestion("x", []) == ""


def test_text_of_a_file_stays_on_its_line_and_is_capped():
    assert show("a\n\u202eb") == "'a\\u000a\\u202eb'"
    assert show("x" * 100) == f"'{'x' * 60}…'"
    assert one_line("'a\nb' is no duration") == "'a\\u000ab' is no duration"
    assert len(one_line("x" * 1000)) == 401
    assert one_line("'AKIAIOSFODNN7EXAMPLE' is no duration") == "(hidden)"
