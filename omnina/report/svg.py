"""matplotlib's figures as SVG inside a page: in the page's own colours and font, light or dark."""

from collections.abc import Callable
from io import StringIO
from xml.etree import ElementTree

import matplotlib

matplotlib.use("Agg")  # files only: no display is needed
import matplotlib.pyplot as plt
from cycler import cycler
from markupsafe import Markup

INK = "#010203"  # stands for the page's text colour
COLORS = ("#3b82c4", "#d0700f", "#2e9e5b", "#9a66d6", "#c94f7c", "#7d8590")  # seen on white and on black
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "omnina",
    "font.size": 9,
    "axes.prop_cycle": cycler(color=COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.framealpha": 0,
    "legend.edgecolor": "none",
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "grid.color": INK,
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
}
SIZE = (5.2, 3.2)  # inches
NAMESPACES = {"": "http://www.w3.org/2000/svg", "xlink": "http://www.w3.org/1999/xlink"}
SVG, HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"


def drawn(
    draw: Callable[[plt.Figure], None], name: str, says: str, size: tuple[float, float] = SIZE
) -> Markup:
    """A figure as markup that may stand in a page.

    Args:
        draw: draws on the figure.
        name: of the figure, different from all others of the page.
        says: what a screen reader reads instead.
        size: in inches; decides the proportions and, with it, how large letters are.
    """
    stream = StringIO()
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(stream, format="svg", metadata={"Date": None})
        plt.close(figure)
    return _for_page(stream.getvalue().replace(INK, "currentColor"), name, says)


def _for_page(text: str, name: str, says: str) -> Markup:
    """Without what only a file of its own needs; ids that are used get the figure's name before them."""
    root = ElementTree.fromstring(text)
    for tag in ("metadata", "defs"):
        for parent in [root, *root]:
            for child in parent.findall(SVG + tag):
                if tag == "metadata" or child.find(SVG + "style") is not None:
                    parent.remove(child)
    _rename_ids(root, text, name)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib |= {"role": "img", "aria-label": says}
    for prefix, address in NAMESPACES.items():
        ElementTree.register_namespace(prefix, address)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _rename_ids(root: ElementTree.Element, text: str, name: str) -> None:
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own and (f"url(#{own})" in text or f'"#{own}"' in text):
            element.set("id", f"{name}-{own}")
        for attribute, value in element.attrib.items():
            if "url(#" in value:
                element.set(attribute, value.replace("url(#", f"url(#{name}-"))
            elif attribute == HREF and value.startswith("#"):
                element.set(attribute, f"#{name}-{value[1:]}")
