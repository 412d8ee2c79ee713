"""The pages as a whole: each in the menu and on the first page, in one order; no link leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.pages import dead_links, prose, slugs

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
MENU: list[tuple[str, str]] = re.findall(r"^ +- (.+): (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)


def test_every_page_is_in_the_menu_once() -> None:
    assert sorted(name for _, name in MENU) == [page.name for page in PAGES]
    assert len({title for title, _ in MENU}) == len(MENU)


def test_the_menu_goes_by_what_the_reader_wants() -> None:
    sections = re.findall(r"^  - (.+):$", (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2], re.MULTILINE)
    assert sections == ["Start", "How to", "Explain", "Reference"]


def test_the_first_page_leads_to_every_page_in_the_order_of_the_menu() -> None:
    doors = re.findall(
        r"^- \[(.+?)\]\((\S+?)\): (.+\.)$", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [(title, name) for title, name, _ in doors] == [entry for entry in MENU if entry[1] != "index.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_to_what_is_there(page: Path) -> None:
    assert dead_links(page, DOCS) == []  # the site holds nothing outside docs/


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_links_of_the_other_pages_lead_to_what_is_there(page: Path) -> None:
    assert dead_links(page, ROOT) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_one_title(page: Path) -> None:
    assert len(re.findall(r"^# ", prose(page), re.MULTILINE)) == 1


def test_dead_links_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## Here it is, `really`\n\n## Dash – here\n")
    (tmp_path / "picture.jpg").touch()
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n[a](other.md) [b](other.md#here-it-is-really) ![c](picture.jpg) [d](#page) [e](https://a.example/b)\n"
        "`[code](no)`\n```md\n[code](no)\n```\n[1](gone.md) [2](other.md#gone) [3](#gone) [4](picture.jpg#gone) [5](../..)\n"
    )
    assert dead_links(page, tmp_path) == ["gone.md", "other.md#gone", "#gone", "picture.jpg#gone", "../.."]
    assert slugs("Dash – here") == ("dash-here", "dash--here")
