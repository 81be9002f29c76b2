"""Which records of the ledger count: whatever is changed, removed, added or put in another order is seen."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_acme import NOW, REPOSITORY, TRUST, later, private, trust

from reconciler.digest import sha256_of
from reconciler.loop.chain import Chain, identity, newest_revision, record_bytes, record_path, statement, verify_chain
from reconciler.model.record import GENESIS, Record
from reconciler.trust.sshsig import sign


def number(record, sequence, previous):
    return record.model_copy(update={"sequence": sequence, "previous": previous})


def signed(record, by="daemon"):
    data = record_bytes(record)
    said = statement(record, data)
    path = record_path(record)
    return {path: data, f"{path}.sig": sign(private(by), said.text(), said.namespace).encode()}


def ledger(count, *, by="daemon", repository=REPOSITORY):
    """`count` records over a turn of the month."""
    files, previous = {}, GENESIS
    for sequence in range(1, count + 1):
        record = Record(
            time=NOW.replace(month=11 if sequence < 3 else 12),
            kind="Held",
            repository=repository,
            name="x",
            environment="prod",
            message=f"number {sequence}",
            sequence=sequence,
            previous=previous,
        )
        files |= signed(record, by)
        previous = sha256_of(record_bytes(record))
    return files


FIVE = ledger(5)
PATHS = [path for path in FIVE if path.endswith(".json")]


def test_an_empty_ledger():
    chain = verify_chain({}, TRUST)
    assert chain == Chain(links=(), problems=())
    assert (chain.head, chain.sequence) == (GENESIS, 0)


def test_all_that_we_wrote_counts_in_its_order():
    shuffled = dict(sorted(FIVE.items(), reverse=True))
    for files in (FIVE, shuffled, FIVE | {"README.md": b"", "status/prod/x.json": b"{}"}):
        chain = verify_chain(files, TRUST)
        assert chain.problems == ()
        assert [link.path for link in chain.links] == PATHS
        assert [link.record.message for link in chain.links] == [f"number {at}" for at in range(1, 6)]
        assert (chain.sequence, chain.head) == (5, sha256_of(FIVE[PATHS[-1]]))


def test_paths_are_by_month_and_ten_digits():
    assert PATHS[1:3] == ["records/2026/11/0000000002.json", "records/2026/12/0000000003.json"]


def test_every_flipped_bit_of_a_record_is_seen():
    data = FIVE[PATHS[1]]
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        chain = verify_chain(FIVE | {PATHS[1]: changed}, TRUST)
        assert [link.path for link in chain.links] == PATHS[:1]
        assert len(chain.problems) == 2


def test_every_flipped_bit_of_a_signature_is_seen_or_changes_nothing_that_it_says():
    path = f"{PATHS[1]}.sig"
    data = FIVE[path]
    seen = 0
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1 << at % 7]) + data[at + 1 :]
        chain = verify_chain(FIVE | {path: changed}, TRUST)
        seen += bool(chain.problems)
        assert [link.path for link in chain.links] == (PATHS[:1] if chain.problems else PATHS)
    assert seen >= len(data) - 2  # a line's end may be written in more than one way


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 4), st.integers(0, 4))
def test_records_in_another_order_are_seen(one, two):
    files = dict(FIVE)
    for end in ("", ".sig"):
        files[PATHS[one] + end], files[PATHS[two] + end] = FIVE[PATHS[two] + end], FIVE[PATHS[one] + end]
    chain = verify_chain(files, TRUST)
    assert (chain.problems == ()) is (one == two)
    assert len(chain.links) == (5 if one == two else min(one, two))


@pytest.mark.parametrize(
    ("gone", "counting", "problems"),
    [
        (0, 0, ("record 1 is missing", "4 later records do not count: the chain ends there")),
        (2, 2, ("record 3 is missing", "2 later records do not count: the chain ends there")),
        (3, 3, ("record 4 is missing", "1 later record does not count: the chain ends there")),
    ],
)
def test_a_record_that_is_gone_is_named_and_what_follows_it_does_not_count(gone, counting, problems):
    files = {path: data for path, data in FIVE.items() if not path.startswith(PATHS[gone])}
    chain = verify_chain(files, TRUST)
    assert (len(chain.links), chain.problems) == (counting, problems)


def test_the_newest_records_may_be_cut_off_and_only_the_kept_head_tells():
    """Nothing in the files says how many there were: the home cluster keeps the head for that."""
    files = {path: data for path, data in FIVE.items() if not path.startswith(PATHS[4])}
    chain = verify_chain(files, TRUST)
    assert (chain.problems, chain.sequence) == ((), 4)
    assert chain.head != verify_chain(FIVE, TRUST).head


def test_the_newest_record_that_does_not_count_is_the_only_problem():
    chain = verify_chain(FIVE | {f"{PATHS[4]}.sig": b""}, TRUST)
    assert (len(chain.links), len(chain.problems)) == (4, 1)


def replaced(**update):
    """Record 3 with other fields, numbered and signed by us."""
    head = sha256_of(FIVE[PATHS[1]])
    record = Record.from_data(
        {"time": "2026-12-01T09:00:00Z", "kind": "Held", "repository": REPOSITORY, "message": "other"}
    )
    return number(record, 3, head).model_copy(update=update)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        pytest.param({PATHS[2]: b"{}"}, "is not a record", id="not a record"),
        pytest.param({PATHS[2]: b"{"}, "is not a record", id="not JSON"),
        pytest.param({PATHS[2]: b"[1]"}, "is not a record", id="a list"),
        pytest.param({PATHS[2]: b""}, "is not a record", id="nothing"),
        pytest.param(
            {PATHS[2]: FIVE[PATHS[2]].replace(b'"sequence":3', b'"sequence":-3')},
            "is not a record",
            id="a negative number",
        ),
        pytest.param({f"{PATHS[2]}.sig": b""}, "is not signed", id="without a signature"),
        pytest.param({f"{PATHS[2]}.sig": FIVE[f"{PATHS[1]}.sig"]}, "as it is now", id="another record's signature"),
        pytest.param(signed(replaced(), by="bo"), "only the daemon signs its records", id="signed by a person"),
        pytest.param(signed(replaced(), by="stranger"), "the trust file does not name", id="signed by a stranger"),
        pytest.param(
            signed(replaced(repository="github.com/acme/other")),
            "is of github.com/acme/other",
            id="of another repository",
        ),
        pytest.param(signed(replaced(previous=GENESIS)), "does not follow the record before it", id="of another chain"),
        pytest.param(
            {PATHS[2]: record_bytes(replaced(time=later(60 * 24 * 60)))},
            "says that it is record 3 of 2027-01",
            id="in the wrong month's folder",
        ),
        pytest.param(
            {PATHS[2]: record_bytes(replaced(sequence=9))}, "says that it is record 9", id="under another number"
        ),
    ],
)
def test_an_entry_that_does_not_count(files, sentence):
    chain = verify_chain(FIVE | files, TRUST)
    assert [link.path for link in chain.links] == PATHS[:2]
    first, second = chain.problems
    assert first.startswith(f"{PATHS[2]}: ")
    assert sentence in first
    assert second == "2 later records do not count: the chain ends there"


def test_one_of_our_own_in_the_place_of_another_breaks_what_follows():
    chain = verify_chain(FIVE | signed(replaced()), TRUST)
    assert len(chain.links) == 3
    assert chain.problems[0] == f"{PATHS[3]}: does not follow the record before it"


@pytest.mark.parametrize(
    "path",
    [
        "records/2026/11/2.json",
        "records/2026/11/00000000006.json",
        "records/2026/11/0000000006.yaml",
        "records/2026/11/0000000006.json.sig",
        "records/forged.json",
        "records/2026/10/0000000001.json",
        "records/2026/13/0000000001.json",
    ],
)
def test_a_file_among_the_records_that_is_none_is_named(path):
    """A second file of a sequence is named too, whichever of the two is taken for the record."""
    chain = verify_chain(FIVE | {path: b"{}"}, TRUST)
    assert any("is not a record, or the second one" in problem for problem in chain.problems)


@pytest.mark.parametrize(
    ("times", "counting"),
    [
        ({}, 5),
        ({"validBefore": "2026-12-01T00:00:00Z"}, 2),
        ({"validAfter": "2026-11-15T00:00:00Z"}, 0),
    ],
    ids=["a good key", "a key that ended in December", "a key that began after the first record"],
)
def test_a_key_counts_for_the_time_of_the_record(times, counting):
    assert len(verify_chain(FIVE, trust(daemon=times)).links) == counting


def test_numbering_does_not_change_who_a_record_is():
    record = replaced()
    assert identity(record) == identity(number(record, 7, sha256_of(b"x")))
    assert identity(record) != identity(record.model_copy(update={"message": "else"}))


def test_a_record_says_its_schema_and_reads_back():
    data = record_bytes(replaced())
    assert b'"schema":"reconciler.dev/record/v1"' in data
    assert data.endswith(b"}\n")
    assert Record.model_validate_json(data) == replaced()


# --- what the records say of the trunk


def row(kind, revision):
    return Record(time=NOW, kind=kind, repository=REPOSITORY, revision=revision and revision * 40)


@pytest.mark.parametrize(
    ("rows", "newest"),
    [
        ([], None),
        ([("Accepted", "1"), ("Promoted", "2"), ("Held", "")], "2"),
        ([("Promoted", "1"), ("TrunkAccepted", "2")], "2"),
        ([("Promoted", "1"), ("TrunkAccepted", "2"), ("Held", "1")], "2"),
        ([("Promoted", "1"), ("TrunkAccepted", "2"), ("Promoted", "3"), ("Held", "1")], "3"),
        ([("TrunkAccepted", "2"), ("Promoted", "3"), ("TrunkAccepted", "1"), ("Held", "3")], "1"),
        ([("Promoted", "1"), ("TrunkRewritten", "2")], "2"),
    ],
    ids=[
        "nothing", "the last that has one", "what people accepted", "not a release as it was before",
        "what came after it", "the last acceptance counts, also back to where it was", "where it was when it was seen",
    ],
)  # fmt: skip
def test_the_newest_revision_is(rows, newest):
    assert newest_revision([row(*one) for one in rows]) == (newest and newest * 40)
