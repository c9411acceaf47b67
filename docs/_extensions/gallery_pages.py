"""Generate the gallery: a page for each chart of `frgroups.plot`, with its code and its picture in light and dark."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path
from typing import Any

import matplotlib as mpl
from sphinx.application import Sphinx
from sphinx.util import logging

import frgroups as fg
from page_files import heading, write_pages

LOGGER = logging.getLogger(__name__)

# The dark background is that of the theme, so that a chart has no visible border on the page.
_BACKGROUNDS = ("figure.facecolor", "figure.edgecolor", "axes.facecolor", "savefig.facecolor")
STYLES: dict[str, list[Any]] = {
    "light": ["default"],
    "dark": ["dark_background", dict.fromkeys(_BACKGROUNDS, "#14181e")],
}
FONT = {"font.size": 10, "savefig.dpi": 144}
SETUP = "setup"
INTRODUCTION = """
Each chart of :doc:`frgroups.plot </reference/plot>` has a page with the code that draws it. The pictures show
synthetic customers of a sandbox. Charts follow the style of matplotlib, which is ``dark_background`` for the pictures
in the dark theme.
"""


def chart_code(folder: Path, name: str) -> str:
    """Return the code that draws a chart: its file in the folder of examples, or the example in its docstring."""
    path = folder / f"{name}.py"
    if path.exists():
        return path.read_text(encoding="utf-8")
    docstring = inspect.getdoc(getattr(fg.plot, name)) or ""
    code = "".join(example.source for example in doctest.DocTestParser().get_examples(docstring))
    if not code:
        raise ValueError(
            f"The chart {name} has no example. Add one to its docstring, or add {path.name} to {folder}."
        )
    return code


def draw(code: str, names: dict[str, Any], path: Path) -> None:
    """Run the code of a chart and save the last figure."""
    import matplotlib.pyplot as plt

    exec(compile(code, path.name, "exec"), dict(names))  # noqa: S102  # The code is part of the documentation.
    if not plt.get_fignums():
        raise ValueError(f"The code of {path.name} draws no figure.")
    plt.gcf().savefig(path, bbox_inches="tight", metadata={"Software": None})
    plt.close("all")


def draw_charts(examples: Path, pictures: Path) -> dict[str, str]:
    """Draw each chart in each style, and return the code of each chart by its name."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    pictures.mkdir(parents=True, exist_ok=True)
    names: dict[str, Any] = {name: getattr(fg, name) for name in fg.__all__} | {"fg": fg}
    setup = (examples / f"{SETUP}.py").read_text(encoding="utf-8")
    exec(compile(setup, SETUP, "exec"), names)  # noqa: S102  # The code is part of the documentation.
    codes = {name: chart_code(examples, name) for name in fg.plot.__all__}
    for style, layers in STYLES.items():
        with plt.style.context([*layers, FONT]):
            for name, code in codes.items():
                draw(code, names, pictures / f"{name}-{style}.png")
    return codes


def gallery_pages(codes: dict[str, str], setup_code: str) -> dict[str, str]:
    """Return the text of each gallery page, by page name without the suffix."""
    pages = {name: _page(name, code) for name, code in codes.items()}
    cards = [line for name in codes for line in _card(name)]
    lines = [
        heading("Gallery"),
        INTRODUCTION,
        ".. grid:: 1 1 2 2",
        "   :gutter: 3",
        "   :class-container: gallery",
        "",
        *cards,
    ]
    lines += [heading("Data", "-"), "All pictures use the following data:", "", *_code_block(setup_code)]
    lines += [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in codes), ""]
    return pages | {"index": "\n".join(lines)}


def _summary(name: str) -> str:
    return (inspect.getdoc(getattr(fg.plot, name)) or name).partition("\n")[0]


def _picture(name: str, indent: str = "") -> list[str]:
    lines = []
    for style in STYLES:
        lines += [f".. image:: /gallery/pictures/{name}-{style}.png", f"   :class: only-{style}"]
        lines += [f"   :alt: {_summary(name)}", ""]
    return [f"{indent}{line}".rstrip() for line in lines]


def _card(name: str) -> list[str]:
    head = [f"   .. grid-item-card:: {name}", f"      :link: /gallery/{name}", "      :link-type: doc", ""]
    return [*head, *_picture(name, " " * 6), f"      {_summary(name)}", ""]


def _page(name: str, code: str) -> str:
    lines = [heading(name), _summary(name), "", *_picture(name), *_code_block(code)]
    lines += ["The variables are defined in :doc:`the data of the gallery </gallery/index>`. The parameters are"]
    lines += [f"described in :doc:`the reference of {name} </reference/plot.{name}>`.", ""]
    return "\n".join(lines)


def _code_block(code: str) -> list[str]:
    return [".. code-block:: python", "", *(f"   {line}".rstrip() for line in code.strip().splitlines()), ""]


def write(app: Sphinx) -> None:
    """Draw the charts and write the gallery pages to the source folder of the documentation."""
    folder, examples = Path(app.srcdir, "gallery"), Path(app.srcdir, "charts")
    codes = draw_charts(examples, folder / "pictures")
    write_pages(folder, gallery_pages(codes, (examples / f"{SETUP}.py").read_text(encoding="utf-8")))
    LOGGER.info("drew %d charts", len(codes))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the generator to Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
