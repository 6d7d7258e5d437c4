"""The pages agree with one another: links lead somewhere, figures are those that were measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return what a page's headings are called in an address, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading_that_there_are(page: Path):
    links = [link for link in _LINK.findall(_FENCE.sub("", page.read_text("utf-8"))) if "://" not in link]

    lost: list[str] = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)

    assert lost == []


def test_what_looking_at_a_large_job_takes_is_what_was_measured():
    figures = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    measured = re.findall(r"^\| 1,000,000 \| [a-z ]+ \| `inspect job` \| (\d+) ", figures, re.MULTILINE)

    page = (ROOT / "docs" / "inspect.md").read_text("utf-8")
    told = re.findall(r"1,000,000 tasks takes (\d+)\s+storage\s+calls at most", page)

    assert told == [max(measured, key=int)]
