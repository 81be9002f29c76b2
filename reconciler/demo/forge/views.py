"""What the pages look like: HTML of records. No decisions, no cookies, no git; every text of somebody is escaped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.demo.forge.html import Html, piece, row
from reconciler.demo.forge.hub import Project
from reconciler.demo.forge.markdown import render_comment
from reconciler.demo.forge.repository import FileChange
from reconciler.demo.forge.shapes import together
from reconciler.demo.forge.state import Comment, Pull, Review, Status

NOTHING = Html("")
_MARKS = {"success": "✓", "failure": "✗", "error": "✗", "pending": "●"}
_REVIEWED = {
    "APPROVED": ("success", "✓", "approved"), "CHANGES_REQUESTED": ("failure", "✗", "asked for changes"),
    "COMMENTED": ("", "○", "reviewed"),
}  # fmt: skip
_WAYS = (("merge", "Merge"), ("squash", "Squash and merge"), ("rebase", "Rebase and merge"))
_SHORT = 10  # digits of a commit's id


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Who looks, and what the page around has to say. `csrf` goes into every form."""

    project: Project
    login: str
    logins: Sequence[str]
    csrf: str
    notice: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)
    """What a form had that was refused: nobody types it twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One pull request with everything on its page."""

    pull: Pull
    comments: Sequence[Comment]
    reviews: Sequence[Review]
    statuses: Sequence[Status]
    files: Sequence[FileChange]
    commits: int
    mergeable: bool
    missing: Sequence[str]
    branch_there: bool


def _page(frame: Frame, title: str, back: str, body: Html) -> Html:
    return piece(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · {full}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="/style.css"></head><body>'
        '<header class="top"><a class="name" href="/{full}/pulls"><span>{owner}</span> / <b>{name}</b></a>'
        '<span class="play">A local forge for the demo: you may be anybody.</span>{who}</header>'
        "<main>{notice}{body}</main></body></html>",
        title=title, full=frame.project.full, owner=frame.project.owner, name=frame.project.name,
        who=_who(frame, back), body=body,
        notice=piece('<p class="notice" role="alert">{text}</p>', text=frame.notice) if frame.notice else NOTHING,
    )  # fmt: skip


def _who(frame: Frame, back: str) -> Html:
    choices = row(_option(login, login, chosen=login == frame.login) for login in frame.logins)
    inside = piece(
        '<input type="hidden" name="back" value="{back}"><label for="login">You are</label>'
        '<select id="login" name="login">{choices}</select><button>Change</button>',
        back=back, choices=choices,
    )  # fmt: skip
    return _form(frame, "/login", inside, "who")


def _option(value: str, text: str, *, chosen: bool = False) -> Html:
    return piece(
        '<option value="{value}"{chosen}>{text}</option>',
        value=value, text=text, chosen=Html(" selected") if chosen else NOTHING,
    )  # fmt: skip


def _form(frame: Frame, action: str, inside: Html, kind: str = "") -> Html:
    return piece(
        '<form method="post" action="{action}" class="{kind}">'
        '<input type="hidden" name="csrf" value="{csrf}">{inside}</form>',
        action=action, kind=kind, csrf=frame.csrf, inside=inside,
    )  # fmt: skip


# --- the list


def pull_list(
    frame: Frame, state: str, counts: Mapping[str, int], rows: Iterable[tuple[Pull, int, Sequence[Status]]],
    branches: Sequence[str],
) -> Html:  # fmt: skip
    """All pull requests in one state, and a form for a new one."""
    tabs = row(
        piece(
            '<a class="tab{on}" href="/{full}/pulls?state={name}">{word} <span>{count}</span></a>',
            name=name,
            on=" on" if name == state else "",
            word=name.capitalize(),
            count=count,
            full=frame.project.full,
        )
        for name, count in counts.items()
    )
    found = row(_row(frame, *one) for one in rows)
    body = piece(
        '<h1>Pull requests</h1><nav class="tabs">{tabs}</nav><ul class="pulls card">{rows}</ul>{new}',
        tabs=tabs, rows=found or piece('<li class="none">None is {state}.</li>', state=state),
        new=_new(frame, branches),
    )  # fmt: skip
    return _page(frame, "Pull requests", f"/{frame.project.full}/pulls", body)


def _row(frame: Frame, pull: Pull, comments: int, statuses: Sequence[Status]) -> Html:
    return piece(
        '<li>{badge}<div><a class="title" href="/{full}/pull/{number}">{title}</a> {mark}'
        '<p class="quiet">#{number} by {author} on {time} · <code>{head}</code> → <code>{base}</code></p></div>'
        '<span class="quiet">{comments}</span></li>',
        badge=_badge(pull), full=frame.project.full, number=pull.number, title=pull.title, author=pull.author,
        time=_time(pull.created), head=pull.head, base=pull.base, mark=_mark(statuses),
        comments=_count(comments, "comment"),
    )  # fmt: skip


def _new(frame: Frame, branches: Sequence[str]) -> Html:
    typed = frame.typed
    choices = row(_option(name, name, chosen=name == typed.get("head")) for name in branches)
    inside = piece(
        '<label>Branch<select name="head">{choices}</select></label>'
        '<label>Title<input name="title" value="{title}" required maxlength="256"></label>'
        '<label>What it is for<textarea name="body" rows="3">{body}</textarea></label>'
        '<p><button class="go">Open it</button> <span class="quiet">into <code>{trunk}</code></span></p>',
        choices=choices, title=typed.get("title", ""), body=typed.get("body", ""), trunk=frame.project.trunk,
    )  # fmt: skip
    return piece(
        '<details class="card new"{open}><summary>Open a pull request</summary>{form}</details>',
        form=_form(frame, f"/{frame.project.full}/pulls", inside, "stacked"),
        open=Html(" open") if typed else NOTHING,
    )  # fmt: skip


def _badge(pull: Pull) -> Html:
    name = "merged" if pull.merged else "open" if pull.open else "closed"
    return piece('<span class="badge {name}">{word}</span>', name=name, word=name.capitalize())


def _mark(statuses: Sequence[Status]) -> Html:
    if not statuses:
        return NOTHING
    state = together(statuses)
    return piece('<span class="mark {state}" title="{state}">{mark}</span>', state=state, mark=_MARKS[state])


# --- one pull request


def pull_page(frame: Frame, shown: Shown) -> Html:
    """One pull request: what was said, what it changes, and what can be done."""
    pull = shown.pull
    place = f"/{frame.project.full}/pull/{pull.number}"
    body = piece(
        '<h1>{title} <span class="quiet">#{number}</span></h1><p class="quiet sub">{badge} {author} {asks} for '
        "{commits} from <code>{head}</code> to be merged into <code>{base}</code></p>"
        '<div class="columns"><section class="talk">{talk}{merge}{say}</section><aside>{aside}</aside></div>'
        '<section class="diff"><h2>{files} <span class="add">+{added}</span> <span class="del">−{removed}</span></h2>'
        "{diff}</section>",
        title=pull.title, number=pull.number, badge=_badge(pull), author=pull.author, head=pull.head, base=pull.base,
        asks="asks" if pull.open else "asked",
        commits=_count(shown.commits, "commit"), talk=_talk(shown), merge=_merge(frame, shown, place),
        say=_say(frame, shown, place), aside=_aside(shown), files=_count(len(shown.files), "changed file"),
        added=sum(one.additions for one in shown.files), removed=sum(one.deletions for one in shown.files),
        diff=row(_file(change) for change in shown.files),
    )  # fmt: skip
    return _page(frame, f"{pull.title} · #{pull.number}", place, body)


def _talk(shown: Shown) -> Html:
    """Everything that was said, in the order in which it was."""
    pull = shown.pull
    first = [(pull.created, 0, _said("", pull.author, Html("opened this"), pull.created, pull.body))]
    comments = [(one.created, one.id, _comment(one)) for one in shown.comments]
    reviews = [(one.at, one.id, _reviewed(one, pull)) for one in shown.reviews]
    return row(html for *_, html in sorted([*first, *comments, *reviews], key=lambda entry: entry[:2]))


def _comment(comment: Comment) -> Html:
    verb = Html("said" if comment.updated == comment.created else "said (edited)")
    return _said(f"issuecomment-{comment.id}", comment.author, verb, comment.created, comment.body)


def _said(anchor: str, author: str, verb: Html, at: str, body: str) -> Html:
    return piece(
        '<article class="card comment" id="{anchor}"><header>{face}<b>{author}</b> <span>{verb}</span> '
        '<span class="quiet">{time}</span></header><div class="markdown">{body}</div></article>',
        anchor=anchor, face=_face(author), author=author, verb=verb, time=_time(at),
        body=Html(render_comment(body)) if body else piece('<p class="quiet">No description.</p>'),
    )  # fmt: skip


def _reviewed(review: Review, pull: Pull) -> Html:
    anchor = f"pullrequestreview-{review.id}"
    verb = piece("{opinion} <code>{sha}</code>", opinion=_opinion(review, pull), sha=review.commit[:_SHORT])
    if review.body:
        return _said(anchor, review.author, verb, review.at, review.body)
    return piece(
        '<p class="event" id="{anchor}">{face}<b>{author}</b> <span>{verb}</span> '
        '<span class="quiet">{time}</span></p>',
        anchor=anchor, face=_face(review.author), author=review.author, verb=verb, time=_time(review.at),
    )  # fmt: skip


def _opinion(review: Review, pull: Pull) -> Html:
    kind, mark, verb = _REVIEWED[review.state]
    return piece(
        '<span class="mark {kind}">{mark}</span> {verb}{stale}', kind=kind, mark=mark, verb=verb,
        stale=" an earlier commit" if review.commit != pull.head_sha else "",
    )  # fmt: skip


def _face(login: str) -> Html:
    """A person's picture: the first letter, in one of eight colours."""
    colour = sum(login.encode()) % 8
    return piece('<span class="face c{colour}" aria-hidden="true">{letter}</span>', colour=colour, letter=login[:1])


def _merge(frame: Frame, shown: Shown, place: str) -> Html:
    pull = shown.pull
    if pull.merged:
        text = piece(
            '<p><span class="mark merged">✓</span> <b>{who}</b> merged this as <code>{sha}</code> '
            '<span class="quiet">{time}</span></p>',
            who=pull.merged_by,
            sha=pull.merge_sha[:_SHORT],
            time=_time(pull.merged),
        )
        delete = _button(frame, f"{place}/delete-branch", "Delete the branch") if shown.branch_there else NOTHING
        return piece('<div class="card box merged">{text}{delete}</div>', text=text, delete=delete)
    if not pull.open:
        text = piece('<p>Closed without a merge <span class="quiet">{time}</span></p>', time=_time(pull.closed))
        return piece(
            '<div class="card box">{text}{again}</div>',
            text=text,
            again=_button(frame, f"{place}/reopen", "Open it again"),
        )
    return piece('<div class="card box">{checks}{ways}</div>', checks=_checks(shown), ways=_ways(frame, shown, place))


def _checks(shown: Shown) -> Html:
    if not shown.mergeable:
        return piece('<p><span class="mark failure">✗</span> This branch has conflicts that must be resolved.</p>')
    missing = row(
        piece(
            '<p><span class="mark pending">●</span> The required status <code>{name}</code> is missing.</p>', name=name
        )
        for name in shown.missing
    )
    clean = piece(
        '<p><span class="mark success">✓</span> No conflicts with <code>{base}</code>.</p>', base=shown.pull.base
    )
    return row([clean, missing])


def _ways(frame: Frame, shown: Shown, place: str) -> Html:
    off = Html(" disabled") if not shown.mergeable or shown.missing or shown.pull.draft else NOTHING
    buttons = row(
        piece(
            '<button name="way" value="{way}" class="{kind}"{off}>{word}</button>',
            way=way,
            word=word,
            off=off,
            kind="go" if way == "merge" else "",
        )
        for way, word in _WAYS
    )
    hidden = piece('<input type="hidden" name="sha" value="{sha}">', sha=shown.pull.head_sha)
    return _form(frame, f"{place}/merge", row([hidden, buttons]), "ways")


def _button(frame: Frame, action: str, word: str) -> Html:
    return _form(frame, action, piece("<button>{word}</button>", word=word))


def _say(frame: Frame, shown: Shown, place: str) -> Html:
    pull = shown.pull
    own = Html(' disabled title="not on your own pull request"') if frame.login == pull.author else NOTHING
    review = piece(
        '<button formaction="{place}/review" name="event" value="APPROVE" class="approve"{own}>Approve</button>'
        '<button formaction="{place}/review" name="event" value="REQUEST_CHANGES"{own}>Ask for changes</button>'
        '<button formaction="{place}/close">Close</button>',
        place=place, own=own,
    )  # fmt: skip
    inside = piece(
        '<label>As <b>{login}</b><textarea name="body" rows="4" placeholder="Markdown">{typed}</textarea></label>'
        '<input type="hidden" name="commit" value="{sha}">'
        '<p class="buttons"><button class="go">Comment</button>{review}</p>',
        login=frame.login, typed=frame.typed.get("body", ""), sha=pull.head_sha,
        review=review if pull.open else NOTHING,
    )  # fmt: skip
    return _form(frame, f"{place}/comment", inside, "card stacked say")


def _aside(shown: Shown) -> Html:
    statuses = row(
        piece(
            '<li><span class="mark {state}">{mark}</span><div><b>{context}</b>{link}'
            '<p class="quiet">{text}</p></div></li>',
            state=one.state,
            mark=_MARKS[one.state],
            context=one.context,
            text=one.description,
            link=piece(' <a href="{url}" rel="nofollow noopener noreferrer">details</a>', url=one.url)
            if one.url
            else NOTHING,
        )
        for one in shown.statuses
    )
    latest = {review.author: review for review in shown.reviews}
    reviews = row(
        piece("<li><b>{who}</b> <span>{opinion}</span></li>", who=who, opinion=_opinion(review, shown.pull))
        for who, review in latest.items()
    )
    return piece(
        '<h2>Statuses <code>{sha}</code></h2><ul class="card side">{statuses}</ul>'
        '<h2>Reviews</h2><ul class="card side">{reviews}</ul>',
        sha=shown.pull.head_sha[:_SHORT], statuses=statuses or _none("Nothing was reported yet."),
        reviews=reviews or _none("Nobody has reviewed this yet."),
    )  # fmt: skip


def _none(sentence: str) -> Html:
    return piece('<li class="none">{sentence}</li>', sentence=sentence)


def _file(change: FileChange) -> Html:
    name = f"{change.previous} → {change.path}" if change.previous else change.path
    lines = row(_line(line) for line in change.patch.split("\n")) if change.patch else NOTHING
    return piece(
        '<details class="card file" open><summary><code>{name}</code> <span class="quiet">{status}</span> '
        '<span class="add">+{added}</span> <span class="del">−{removed}</span></summary><pre>{lines}</pre></details>',
        name=name, status=change.status, added=change.additions, removed=change.deletions,
        lines=lines or piece('<span class="hunk">There is no text to show.</span>'),
    )  # fmt: skip


def _line(line: str) -> Html:
    kind = {"+": "add", "-": "del", "@": "hunk", "\\": "hunk"}.get(line[:1], "")
    return piece('<span class="{kind}">{line}\n</span>', kind=kind, line=line)


# --- everything else


def sentence_page(frame: Frame, title: str, text: str) -> Html:
    """A page that has one thing to say."""
    body = piece("<h1>{title}</h1><p>{text}</p>", title=title, text=text)
    return _page(frame, title, f"/{frame.project.full}/pulls", body)


def _time(stamp: str) -> Html:
    return piece('<time datetime="{stamp}">{text}</time>', stamp=stamp, text=f"{stamp[:10]} {stamp[11:16]}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
