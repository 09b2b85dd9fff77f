"""Shows that switch sources inside one scene: which of them is seen, where the venue says that they are cameras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tap.core.model import CameraInfo
from tap.core.obs.messages import ITEMS_ASKED, text, whole
from tap.core.obs.state import Item, ObsState, Scene

__all__ = ["Sources"]

_READ = 10_000


class Sources:
    """The sources that are cameras, by the names of their scenes; on the reader's state."""

    def __init__(self, state: ObsState, wanted: Mapping[str, tuple[str, ...]]) -> None:
        self._state = state
        self._wanted = wanted
        self._order = tuple(wanted)

    @property
    def asked(self) -> tuple[str, ...]:
        """What has to be answered before it is known what is seen: a name for each scene."""
        return tuple(f"{ITEMS_ASKED} {number}" for number in range(len(self._order)))

    def listed(self, number: int | None, data: Mapping[str, Any]) -> None:
        """OBS lists the sources of the scene that it was asked about by this number."""
        if number is None or not 0 <= number < len(self._order):
            return
        name = self._order[number]
        items = data.get("sceneItems")
        found = (self._item(item, self._wanted[name]) for item in (items[:_READ] if isinstance(items, list) else ()))
        self._state.items[name] = [item for item in found if item is not None]

    def switched(self, data: Mapping[str, Any]) -> bool:
        """A source was shown or hidden; whether it is one that counts."""
        ident, name = whole(data.get("sceneItemId")), text(data, "sceneName") or ""
        item = next((item for item in self._state.items.get(name, ()) if item.id == ident), None)
        if item is None:
            return False
        item.on = data["sceneItemEnabled"]
        return True

    def camera(self, scene: Scene) -> str:
        """The camera that is seen where this scene is on air: the uppermost of its sources, or the scene itself."""
        shown = [item for item in self._state.items.get(scene.name, ()) if item.on]
        return max(shown, key=lambda item: item.index).source if shown else scene.id

    def hides(self, scene: Scene) -> bool:
        """Whether nothing of this scene's cameras is seen."""
        items = self._state.items.get(scene.name, ())
        return bool(items) and not any(item.on for item in items)

    def cameras(self, scene: Scene) -> Iterator[CameraInfo]:
        """The cameras that a scene is, or has."""
        sources = dict.fromkeys(item.source for item in self._state.items.get(scene.name, ()))
        if not sources:
            yield CameraInfo(scene.id, name=scene.name)
        for source in sources:
            yield CameraInfo(source, name=source)

    @staticmethod
    def _item(data: Any, wanted: tuple[str, ...]) -> Item | None:
        if not isinstance(data, dict):
            return None
        ident, source = whole(data.get("sceneItemId")), text(data, "sourceName")
        if ident is None or source is None or source not in wanted:
            return None
        return Item(ident, source, data.get("sceneItemEnabled") is True, whole(data.get("sceneItemIndex")) or 0)
