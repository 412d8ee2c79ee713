"""Markdown pages: their links, the anchors of their headings, and which links lead nowhere."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

_FENCED = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`[^`\n]+`")


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead within the repository, in order."""
    targets = re.findall(r"\]\(([^)\s]+)\)", _INLINE.sub("", prose(page)))
    return [target for target in targets if "://" not in target and not target.startswith("mailto:")]


def slugs(heading: str) -> tuple[str, str]:
    """The anchors that the site and that GitHub give to a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.replace("`", "")).strip().lower()
    ascii_only = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    site = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_only).strip())
    return site, re.sub(r"[^\w\s-]", "", plain).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """The anchors of a page that lead to the same heading on the site and on GitHub."""
    both = [slugs(heading) for heading in re.findall(r"^#+ +(.+)$", prose(page), re.MULTILINE)]
    return {site for site, github in both if site == github}


def dead_links(page: Path, inside: Path) -> list[str]:
    """The links of a page that lead to no file below `inside`, or to no heading."""
    dead = []
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page.resolve()
        there = target.exists() and target.is_relative_to(inside.resolve())
        if not there or (anchor and (target.suffix != ".md" or anchor not in anchors(target))):
            dead.append(link)
    return dead
