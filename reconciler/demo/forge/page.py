"""The page: plain HTML and forms for a browser on this machine. What it shows is in `views`, what it does in the hub.

Not a way to find out who somebody is: one chooses. Rules: no script runs here (Content-Security-Policy); a form counts
only with the token of the session whose page it came from; after one, the browser is sent to a page of ours and to
nothing that somebody typed.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files
from types import MappingProxyType
from urllib.parse import parse_qsl

from reconciler.demo.api.messages import Answer, Request, text
from reconciler.demo.forge import pulls, talk, views
from reconciler.demo.forge.handlers import fork_point
from reconciler.demo.forge.html import Html
from reconciler.demo.forge.hub import Hub
from reconciler.demo.forge.messages import ForgeError, not_found
from reconciler.demo.forge.state import Pull
from reconciler.demo.forge.views import Frame, Shown
from reconciler.errors import ReconcilerError

_SESSION, _LOGIN = "session", "login"
_FORM = "application/x-www-form-urlencoded"
_FIELDS = 20
_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_GUARDS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)  # fmt: skip
_TABS: Mapping[str, Callable[[Pull], bool]] = MappingProxyType({
    "open": lambda pull: pull.open,
    "merged": lambda pull: bool(pull.merged),
    "closed": lambda pull: not pull.open and not pull.merged,
})  # fmt: skip

Form = Mapping[str, str]


class Page:
    """Answers browsers."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._secret = secrets.token_bytes(32)
        self._style = files("reconciler.demo.forge").joinpath("style.css").read_bytes()
        self._home = f"/{hub.project.full}/pulls"
        self._one = re.compile(rf"/{re.escape(hub.project.full)}/pull/(\d{{1,9}})(?:/([a-z-]+))?")

    def answer(self, request: Request) -> Answer:
        """A page, a redirect to one, or the style sheet."""
        place = "/" + "/".join(request.path)
        if place == "/style.css":
            return _guarded(Answer(body=self._style, content_type="text/css; charset=utf-8"))
        session, login = self._visitor(request)
        frame = Frame(project=self._hub.project, login=login, logins=self._hub.people.logins, csrf=self._token(session))
        try:
            if request.method in {"GET", "HEAD"}:
                found = _guarded(self._show(frame, place, request.query))
            else:
                found = self._act(frame, place, request)
        except ForgeError as error:
            found = _html(views.sentence_page(frame, "That did not work", error.sentence), error.status)
        except ReconcilerError as error:
            found = _html(views.sentence_page(frame, "That did not work", error.message), 500)
        return _with_cookie(found, _SESSION, session)

    def _visitor(self, request: Request) -> tuple[str, str]:
        """The session, a new one if there is none, and who the visitor chose to be."""
        try:
            cookies = SimpleCookie(request.headers.get("cookie", ""))
        except CookieError:
            cookies = SimpleCookie()
        session = cookies[_SESSION].value if _SESSION in cookies else ""
        login = cookies[_LOGIN].value if _LOGIN in cookies else ""
        known = self._hub.people.logins
        return (
            session if re.fullmatch(r"[\w-]{20,64}", session, re.ASCII) else secrets.token_urlsafe(24),
            login if login in known else known[0],
        )

    def _token(self, session: str) -> str:
        return hmac.new(self._secret, session.encode(), hashlib.sha256).hexdigest()

    # --- looking

    def _show(self, frame: Frame, place: str, query: Mapping[str, str]) -> Answer:
        if place == "/":
            return _to(self._home)
        self._hub.refresh()
        if place == self._home:
            return _html(self._list(frame, query.get("state", "open")))
        if (found := self._one.fullmatch(place)) and not found[2]:
            return _html(self._pull(frame, int(found[1])))
        raise not_found()

    def _list(self, frame: Frame, state: str) -> Html:
        hub = self._hub
        state = state if state in _TABS else "open"
        with hub.lock:
            found = sorted(hub.state.pulls.values(), key=lambda pull: -pull.number)
            counts = {name: sum(belongs(pull) for pull in found) for name, belongs in _TABS.items()}
            rows = [
                (pull, len(hub.comments(pull.number)), hub.statuses(pull.head_sha))
                for pull in found
                if _TABS[state](pull)
            ]
            branches = sorted(name for name in hub.branches if name != hub.project.trunk)
        return views.pull_list(frame, state, counts, rows, branches)

    def _pull(self, frame: Frame, number: int) -> Html:
        hub = self._hub
        with hub.lock:
            pull = hub.pull(number)
            shown = Shown(
                pull=pull, comments=hub.comments(number), reviews=hub.reviews(number),
                statuses=hub.statuses(pull.head_sha), missing=hub.missing(pull),
                files=hub.repository.files(fork_point(hub, pull), pull.head_sha),
                commits=len(hub.repository.commits(pull.base_sha, pull.head_sha)),
                mergeable=pull.open and hub.mergeable(pull), branch_there=pull.head in hub.branches,
            )  # fmt: skip
        return views.pull_page(frame, shown)

    # --- doing

    def _act(self, frame: Frame, place: str, request: Request) -> Answer:
        form = _form(request)
        if not hmac.compare_digest(form.get("csrf", "").encode(), frame.csrf.encode()):
            raise ForgeError(403, "This form is not from a page of this session: reload the page and send it again.")
        if place == "/login":
            return self._be(form)
        try:
            return _to(self._do(frame.login, place, form))
        except ForgeError as error:
            kept = {name: form[name] for name in ("head", "title", "body") if name in form}
            again = Frame(
                project=frame.project, login=frame.login, logins=frame.logins, csrf=frame.csrf,
                notice=error.sentence, typed=kept,
            )  # fmt: skip
            found = self._one.fullmatch(place)
            if found is None and place != self._home:
                raise
            return _html(self._pull(again, int(found[1])) if found else self._list(again, "open"), error.status)

    def _be(self, form: Form) -> Answer:
        login, back = form.get("login", ""), form.get("back", "")
        if login not in self._hub.people.logins:
            raise ForgeError(422, "There is nobody of that name here.")
        known = back == self._home or self._one.fullmatch(back)
        return _with_cookie(_to(back if known else self._home), _LOGIN, login)

    def _do(self, login: str, place: str, form: Form) -> str:
        """Carry out a form; returns where to look next."""
        if place == self._home:
            pull = pulls.open_pull(
                self._hub, login, head=form.get("head", ""), base=self._hub.project.trunk,
                title=form.get("title", ""), body=_lines(form.get("body", "")),
            )  # fmt: skip
            return f"/{self._hub.project.full}/pull/{pull.number}"
        found = self._one.fullmatch(place)
        action = _ACTIONS.get(found[2] or "") if found else None
        if found is None or action is None:
            raise not_found()
        action(self._hub, login, int(found[1]), form)
        return f"/{self._hub.project.full}/pull/{found[1]}"


def _comment(hub: Hub, login: str, number: int, form: Form) -> None:
    talk.comment(hub, login, number, _lines(form.get("body", "")))


def _review(hub: Hub, login: str, number: int, form: Form) -> None:
    talk.review(
        hub, login, number, event=form.get("event", ""), body=_lines(form.get("body", "")),
        commit=form.get("commit", ""),
    )  # fmt: skip


def _merge(hub: Hub, login: str, number: int, form: Form) -> None:
    pulls.merge(hub, login, number, way=form.get("way", "merge"), sha=form.get("sha", ""))


def _close(hub: Hub, login: str, number: int, form: Form) -> None:
    if form.get("body", "").strip():
        _comment(hub, login, number, form)
    pulls.update(hub, login, number, state="closed")


def _reopen(hub: Hub, login: str, number: int, _form: Form) -> None:
    pulls.update(hub, login, number, state="open")


def _delete_branch(hub: Hub, login: str, number: int, _form: Form) -> None:
    pulls.delete_branch(hub, login, hub.pull(number).head)


_ACTIONS: Mapping[str, Callable[[Hub, str, int, Form], None]] = MappingProxyType({
    "comment": _comment, "review": _review, "merge": _merge, "close": _close, "reopen": _reopen,
    "delete-branch": _delete_branch,
})  # fmt: skip


def _form(request: Request) -> Form:
    if request.method != "POST" or request.content_type != _FORM:
        raise ForgeError(405, "This page takes forms and nothing else.")
    try:
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=_FIELDS))
    except ValueError:
        raise ForgeError(400, "The form cannot be read.") from None


def _lines(typed: str) -> str:
    """A browser ends lines with CR LF; a comment does not."""
    return typed.replace("\r\n", "\n")


def _html(page: Html, status: int = 200) -> Answer:
    return _guarded(Answer(code=status, body=page.encode(), content_type="text/html; charset=utf-8"))


def _to(place: str) -> Answer:
    """Look there next. `place` is a page of ours."""
    found = text("", 303)
    return Answer(code=303, body=found.body, content_type=found.content_type, headers=(("Location", place), *_GUARDS))


def _guarded(answer: Answer) -> Answer:
    missing = () if set(_GUARDS) <= set(answer.headers) else _GUARDS
    return Answer(
        code=answer.code, body=answer.body, content_type=answer.content_type, headers=(*answer.headers, *missing)
    )


def _with_cookie(answer: Answer, name: str, value: str) -> Answer:
    cookie = ("Set-Cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Strict")
    return Answer(
        code=answer.code, body=answer.body, content_type=answer.content_type, headers=(*answer.headers, cookie)
    )
