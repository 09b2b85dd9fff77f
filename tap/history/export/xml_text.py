"""XML as text. Documents may have a hundred megabytes, so no tree of elements is made."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

__all__ = ["around", "leaf", "leaves", "opened"]

_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, however it is written."""


def leaf(name: str, value: str | int) -> str:
    """An element that holds a value."""
    return f"<{name}>{value if isinstance(value, int) else escape(_UNFIT.sub('?', value))}</{name}>"


def leaves(**values: str | int) -> str:
    """Elements that hold values, one after the other; ``in_`` is written ``in``."""
    return "".join(leaf(name.rstrip("_"), value) for name, value in values.items())


def around(name: str, *written: str) -> str:
    """An element around others that are written already."""
    return f"<{name}>{''.join(written)}</{name}>"


def opened(name: str, /, **attributes: str | int | None) -> str:
    """The inside of a start tag: name and attributes. Attributes that are None are left out."""
    told = (
        f" {key.rstrip('_')}={quoteattr(_UNFIT.sub('?', str(value)))}"
        for key, value in attributes.items()
        if value is not None
    )
    return name + "".join(told)
