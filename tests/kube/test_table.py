"""A cache never goes back in time, whatever comes first."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.edges.kube.table import Table, newer


@dataclass(frozen=True, kw_only=True)
class Row:
    name: str
    resource_version: str
    owner: str = "o"


def row(version: int | str, name: str = "x", owner: str = "o") -> Row:
    return Row(name=name, resource_version=str(version), owner=owner)


def new_table():
    told: list[tuple[Row | None, Row | None]] = []
    table: Table[str, Row] = Table(
        key=lambda value: value.name, group=lambda value: value.owner, changed=lambda old, new: told.append((old, new))
    )
    return table, told


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [("10", "9", True), ("9", "10", False), ("10", "10", False), ("a", "b", True), ("a", "a", False), ("9", "x", True)],
)
def test_versions_are_compared_as_numbers_where_they_are_numbers(left, right, expected):
    assert newer(left, right) is expected


def test_an_older_event_does_not_overwrite_our_own_write():
    table, told = new_table()
    table.replace([row(5)], "5")
    table.observe(row(9))
    table.event(row(7), deleted=False)
    assert table.get("x") == row(9)
    assert told == [(None, row(5))]


def test_our_own_write_is_not_told_when_its_event_arrives():
    table, told = new_table()
    table.observe(row(9))
    table.event(row(9), deleted=False)
    table.event(row(10), deleted=False)
    assert told == [(row(9), row(10))]


def test_an_answer_that_arrives_late_does_not_bring_back_what_was_deleted():
    table, _ = new_table()
    table.replace([row(5)], "5")
    table.event(row(8), deleted=True)
    table.observe(row(7))
    assert table.get("x") is None
    table.observe(row(9))
    assert table.get("x") == row(9)


def test_an_answer_that_arrives_late_does_not_undo_a_newer_event():
    table, _ = new_table()
    table.event(row(8), deleted=False)
    table.observe(row(7))
    assert table.get("x") == row(8)


def test_an_older_deletion_does_not_remove_what_was_made_since():
    table, _ = new_table()
    table.replace([row(5)], "5")
    table.observe(row(9))
    table.event(row(8), deleted=True)
    assert table.get("x") == row(9)


def test_a_list_removes_what_it_does_not_have_and_tells():
    table, told = new_table()
    table.replace([row(1, "a"), row(2, "b")], "2")
    told.clear()
    table.begin()
    table.replace([row(2, "b"), row(3, "c")], "4")
    assert sorted(table.rows) == ["b", "c"]
    assert told == [(row(1, "a"), None), (None, row(3, "c"))]


def test_a_write_during_a_list_survives_it():
    table, _ = new_table()
    table.begin()
    table.observe(row(7))
    table.replace([], "6")
    assert table.get("x") == row(7)


def test_a_list_of_a_restored_server_wins_although_its_versions_are_lower():
    table, _ = new_table()
    table.observe(row(900))
    table.begin()
    table.replace([row(3)], "4")
    table.event(row(5), deleted=False)
    assert table.get("x") == row(5)


def test_rows_are_found_by_group_and_leave_it_when_it_changes():
    table, _ = new_table()
    table.replace([row(1, "a", "p"), row(2, "b", "p"), row(3, "c", "q")], "3")
    table.event(row(4, "a", "q"), deleted=False)
    assert {found.name for found in table.group("p")} == {"b"}
    assert {found.name for found in table.group("q")} == {"a", "c"}
    table.forget("b")
    assert table.group("p") == ()
    assert sorted(table.rows) == ["a", "c"]


def test_a_snapshot_does_not_move():
    table, _ = new_table()
    table.observe(row(1))
    before = table.rows
    assert table.rows is before
    table.observe(row(2))
    assert before["x"] == row(1)
    assert table.rows["x"] == row(2)


@given(st.data())
def test_whatever_order_answers_and_events_come_in_the_newest_stays(data):
    """Events come in the watch's order; answers to some of those writes come at any later or earlier moment."""
    life = data.draw(st.lists(st.booleans(), min_size=1, max_size=8), label="each step: deleted")
    history = [(row(version), deleted) for version, deleted in enumerate(life, start=10)]
    table, _ = new_table()
    table.replace([], "9")
    pending = [entry for entry, deleted in history if not deleted and data.draw(st.booleans())]
    pending = data.draw(st.permutations(pending))
    for entry, deleted in history:
        while pending and data.draw(st.booleans()):
            table.observe(pending.pop())
        table.event(entry, deleted=deleted)
    while pending:
        table.observe(pending.pop())
    last, deleted = history[-1]
    assert table.get("x") == (None if deleted else last)
    assert list(table.group("o")) == list(table.rows.values())
