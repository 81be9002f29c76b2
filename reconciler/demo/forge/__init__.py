"""A local forge: pull requests over a bare Git repository on this disk, with GitHub's REST API and a page to look at.

Good enough for the demo's people and for our own client: open, read, comment, review, report, merge in three ways,
webhooks, ETags, limits. It is not a GitHub: one repository, no forks, no App, no merge queue, no check runs, and on the
page one chooses who one is. Its answers are held to GitHub's published description (tests/demo_forge). In a test:

    from reconciler.demo.forge import LocalForge, Webhook

    with LocalForge(bare, state, {"t-ada": "ada", "t-bo": "bo"}, name="acme/models") as forge:
        forge.address                        # http://127.0.0.1:PORT: the page
        forge.api                            # http://127.0.0.1:PORT/api/v3: `forge.url` of the settings
        with Visitor(forge.api, "acme/models", "t-ada") as ada:   # a person, over HTTP
            ada.open_pull("promote", "Promote fraud-detector")
        forge.requests["pulls", 304]         # how often that was asked and nothing had moved
        forge.faults.status = 502            # … instead of the work; `late = True`: after it; see Faults

    LocalForge(…, roles={"bo": "read"}, required=["reconciler/prod"], strict=True, webhook=Webhook(url=…, secret=…))

As a process: `python -m reconciler.demo.forge --bare DIR --state-dir DIR --people FILE` (see `__main__`).
"""

from reconciler.demo.forge.hooks import Webhook
from reconciler.demo.forge.markdown import render_comment
from reconciler.demo.forge.serve import LocalForge
from reconciler.demo.forge.visitor import Visitor

__all__ = ["LocalForge", "Visitor", "Webhook", "render_comment"]
