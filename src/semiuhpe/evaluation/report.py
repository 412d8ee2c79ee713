"""An evaluation as one HTML file that needs nothing else: no server, no script, no request; and its JSON beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from semiuhpe.evaluation import tables
from semiuhpe.evaluation.figures import figures
from semiuhpe.evaluation.run import Evaluation
from semiuhpe.evaluation.worst_heads import TILE, WorstHead, worst_heads
from semiuhpe.files.atomic import write_atomically

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1180px; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: .5rem 2rem 1rem 0; font-size: .9rem; }
td, th { border-bottom: 1px solid #d8dee4; padding: .15rem .7rem; text-align: left; vertical-align: top; }
td.value { text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.grid { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; } figcaption { font-size: .85rem; }
.worst figcaption { max-width: 320px; overflow-wrap: anywhere; } img { max-width: 100%; }
"""
# Even a label that held markup could load nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(path: Path, evaluation: Evaluation, document: Mapping[str, Any]) -> Path:
    """Write `path` (.html) and the document beside it as .json. → path of the latter.

    document: JSON-ready, with "protocol", "summary", "model", "data" and "results". Raises MissingExtraError without
    matplotlib, before anything is written.
    """
    page = html_page(evaluation, document)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".json")
    write_atomically(beside, (tables.document_text(document) + "\n").encode())
    write_atomically(path, page.encode())
    return beside


def html_page(evaluation: Evaluation, document: Mapping[str, Any]) -> str:
    """The page's text: how it was measured, tables, figures, the worst heads."""
    title = f"Head pose evaluation: {document['protocol']}"
    results: Mapping[str, Mapping[str, Any]] = document["results"]
    made = {"protocol": document["summary"], **document["data"], **document["model"]}
    blocks = "".join(_table(figures_of, name) for name, figures_of in results.items())
    plots = "".join(_figure("png", picture, caption) for caption, picture in figures(evaluation))
    worst = worst_heads(evaluation)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{escape(title)}</h1>\n"
        f'<section id="setup">{_table(made)}</section>\n'
        f'<h2>Figures</h2><section id="results" class="grid">{blocks}</section>\n'
        f'<h2>Errors</h2><section id="figures" class="grid">{plots or "No head was measured."}</section>\n'
        f"<h2>The {len(worst)} worst heads</h2><p>{_legend(evaluation)}</p>\n"
        f'<section id="worst" class="grid worst">{"".join(_worst(head) for head in worst)}</section>\n'
        "</body></html>\n"
    )


def _table(figures_of: Mapping[str, Any], caption: str = "") -> str:
    heading = f'<tr><th colspan="2">{escape(caption)}</th></tr>' if caption else ""
    body = "".join(
        f'<tr><td>{escape(name)}</td><td class="value">{escape(value)}</td></tr>'
        for name, value in tables.rows(figures_of)
    )
    return f"<table>{heading}{body}</table>"


def _figure(kind: str, picture: bytes, caption: str, size: str = "") -> str:
    data = base64.b64encode(picture).decode()
    text = escape(caption)
    return f'<figure><img {size} alt="{text}" src="data:image/{kind};base64,{data}"><figcaption>{text}</figcaption></figure>'


def _worst(head: WorstHead) -> str:
    caption = f"{head.error_deg:.1f}° · {head.id} · label {head.label} · predicted {head.predicted}"
    buffer = io.BytesIO()
    Pillow.fromarray(head.picture).save(buffer, "JPEG", quality=88)
    return _figure("jpeg", buffer.getvalue(), caption, f'width="{2 * TILE}" height="{TILE}"')


def _legend(evaluation: Evaluation) -> str:
    drawn = {
        "rotation": "its labelled axes on the left",
        "direction": "its labelled direction on the left",
        "azimuth": "its labelled azimuth on the left (drawn level)",
    }[evaluation.kind]
    return f"Each head with {drawn} and the predicted axes on the right: red to the head's side, green down, blue out of the face."
