"""Which camera a scene is: the name that it had first in a session stays its id, whatever it is called later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tap.core.obs.state import Scene

__all__ = ["Scenes"]


class Scenes:
    """The scenes of the collection that is open, found by uuid where OBS tells one (5.4 and later), else by name."""

    def __init__(self, scenes: list[Scene]) -> None:
        self._scenes = scenes

    def __iter__(self) -> Iterator[Scene]:
        return iter(self._scenes)

    def find(self, name: str, uuid: str | None) -> Scene | None:
        """The scene that is meant, or None where it is not known."""
        if uuid is not None:
            for scene in self._scenes:
                if scene.uuid == uuid:
                    return scene
        return next((scene for scene in self._scenes if scene.name == name), None)

    def get(self, name: str, uuid: str | None) -> tuple[Scene, bool]:
        """The scene that is meant, and whether it is new."""
        scene = self.find(name, uuid)
        if scene is None:
            scene = Scene(self._free(name), name, uuid)
            self._scenes.append(scene)
            return scene, True
        scene.uuid = uuid or scene.uuid
        return scene, False

    def remove(self, scene: Scene) -> None:
        """It is gone; its id may be taken again by one of the same name."""
        self._scenes.remove(scene)

    def listed(self, listed: Iterable[tuple[str, str | None]]) -> None:
        """OBS lists its scenes: those that are not among them are gone, and names may have changed unseen."""
        known, self._scenes[:] = list(self._scenes), []
        told = list(listed)
        # By uuid first, so that a name that moved on to another scene is not mistaken for it.
        by_uuid = {scene.uuid: scene for scene in known if scene.uuid is not None}
        matched = {
            index: by_uuid.pop(uuid) for index, (_, uuid) in enumerate(told) if uuid is not None and uuid in by_uuid
        }
        taken = {id(scene) for scene in matched.values()}
        by_name = {scene.name: scene for scene in known if id(scene) not in taken}
        for index, (name, _) in enumerate(told):
            if index not in matched and name in by_name:
                matched[index] = by_name.pop(name)
        self._scenes += matched.values()
        for index, (name, uuid) in enumerate(told):
            scene = matched.get(index)
            if scene is None:
                self._scenes.append(Scene(self._free(name), name, uuid))
            else:
                scene.name, scene.uuid = name, uuid or scene.uuid

    def anew(self) -> list[tuple[Scene, str]]:
        """Another session: each scene is the camera that it is called now. Those whose id changed, with the old one."""
        changed = []
        for scene in self._scenes:
            if scene.id != scene.name:
                changed.append((scene, scene.id))
                scene.id = scene.name
        return changed

    def _free(self, name: str) -> str:
        """``name``, or where a scene that was renamed has it for its id, the next that is free."""
        taken = {scene.id for scene in self._scenes}
        free, number = name, 2
        while free in taken:
            free, number = f"{name} ({number})", number + 1
        return free
