"""What an answer means, as a truth table: a limit and for how long, a sentence, a page."""

from datetime import UTC, datetime

import pytest

from reconciler.edges.forge.answers import Limit, answered_at, limit_of, next_query, sentence

DATE = "Sun, 01 Mar 2026 12:00:00 GMT"
NOW = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
SECONDARY = b'{"message":"You have exceeded a secondary rate limit"}'

LIMITS = {
    "an answer": (200, {"x-ratelimit-remaining": "10"}, b"", None),
    "the last one of the quota": (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOW + 9)}, b"", 10.0),
    "the last one, also when nothing changed": (
        304, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOW + 9)}, b"", 10.0,
    ),
    "a spent quota without a moment": (200, {"x-ratelimit-remaining": "0"}, b"", None),
    "429 with seconds": (429, {"retry-after": "7"}, b"", 7.0),
    "429 with a date": (429, {"retry-after": "Sun, 01 Mar 2026 12:00:30 GMT"}, b"", 30.0),
    "429 with a date without a zone": (429, {"retry-after": "Sun, 01 Mar 2026 12:00:30"}, b"", Limit(None)),
    "429 with nonsense": (429, {"retry-after": "soon", "ratelimit-reset": "soon"}, b"", Limit(None)),
    "429 with nothing": (429, {}, b"", Limit(None)),
    "429 with a spent quota": (429, {"ratelimit-remaining": "0", "ratelimit-reset": "12"}, b"", 12.0),
    "403 with seconds": (403, {"retry-after": "7"}, b"", 7.0),
    "403 that says so": (403, {"x-ratelimit-remaining": "10"}, SECONDARY, Limit(None)),
    "403 with a spent quota": (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOW + 9)}, b"", 10.0),
    "403 of a right": (403, {"x-ratelimit-remaining": "10"}, b'{"message":"Must have admin rights"}', None),
    "another refusal": (422, {"retry-after": "7"}, SECONDARY, None),
    "a reset that is past": (429, {"ratelimit-remaining": "0", "ratelimit-reset": str(NOW - 99)}, b"", 1.0),
}  # fmt: skip


@pytest.mark.parametrize("case", LIMITS)
def test_a_limit_is_told_from_a_refusal_and_has_its_seconds(case):
    status, headers, body, expected = LIMITS[case]
    wanted = expected if isinstance(expected, Limit | None) else Limit(expected)
    assert limit_of(status, {"date": DATE, **headers}, body) == wanted


@pytest.mark.parametrize("date", [DATE, "Sun, 01 Mar 2026 12:00:00 -0000"])
def test_the_moment_of_an_answer_is_the_servers(date):
    assert answered_at({"date": date}) == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_without_a_date_it_is_ours(headers):
    assert abs((answered_at(headers) - datetime.now(UTC)).total_seconds()) < 60


SENTENCES = {
    b'{"message":"Validation Failed","errors":[{"message":"long"},{"code":"x"}]}': "Validation Failed; long; code: x",
    b'{"message":{"base":["is missing"],"error":"no"}}': "no",
    b'{"message":{"state":["cannot transition"]}}': "state: cannot transition",
    b'{"error":"invalid_token","error_description":"was revoked"}': "invalid_token; was revoked",
    b'{"errors":null,"message":"not found","url":"http://x/swagger"}': "not found",
    b'["a","b"]': "a; b",
    b"404 page not found\n": "404 page not found",
    b"<html>\x1b[31m\xff": "<html> [31m�",
    b"": "",
    b"17": "",
    b'{"message":"' + b"x" * 900 + b'"}': "x" * 499 + "…",
}


@pytest.mark.parametrize("body", SENTENCES)
def test_what_a_forge_says_is_one_line(body):
    assert sentence(body) == SENTENCES[body]


@pytest.mark.parametrize(
    ("link", "query"),
    [
        ('<https://api/x?page=2&a=b>; rel="next", <https://api/x?page=9>; rel="last"', "page=2&a=b"),
        ('<https://api/x?page=1>; rel="prev", <https://api/x?page=3>; rel="next"', "page=3"),
        ("<https://api/x?page=2>; rel=next", "page=2"),
        ('<https://api/x?page=1>; rel="prev"', None),
        ('<https://api/x>; rel="next"', None),
        ("", None),
    ],
)
def test_only_the_query_of_the_next_page_is_taken(link, query):
    assert next_query({"link": link}) == query
