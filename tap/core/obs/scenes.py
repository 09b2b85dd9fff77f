"""Which camera a scene is: the name that it had first in a session stays its id, whatever it is called later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tap.core.obs.state import Scene

__all__ = ["Scenes"]

_DEPARTED_KEPT = 1_000


class Scenes:
    """The scenes of the collection that is open, found by uuid where OBS tells one (5.4 and later), else by name.

    A name finds a scene only where one side has no uuid: two canvases may have scenes of one name. Scenes that are gone
    are remembered for the session, so that one that comes back (by its uuid, or under the name that it had last) is the
    same camera again, and nobody else gets its id.
    """

    def __init__(self, scenes: list[Scene], departed: list[Scene]) -> None:
        self._scenes = scenes
        self._departed = departed

    def __iter__(self) -> Iterator[Scene]:
        return iter(self._scenes)

    def find(self, name: str, uuid: str | None) -> Scene | None:
        """The scene that is meant, or None where it is not known."""
        if uuid is not None:
            for scene in self._scenes:
                if scene.uuid == uuid:
                    return scene
        named = (scene for scene in self._scenes if scene.name == name)
        return next((scene for scene in named if uuid is None or scene.uuid is None), None)

    def named(self, name: str) -> Scene | None:
        """The scene that is called this, whatever its uuid."""
        return next((scene for scene in self._scenes if scene.name == name), None)

    def get(self, name: str, uuid: str | None) -> tuple[Scene, bool]:
        """The scene that is meant, and whether it is new."""
        scene = self.find(name, uuid)
        if scene is not None:
            scene.uuid = uuid or scene.uuid
            return scene, False
        return self._add(name, uuid), True

    def remove(self, scene: Scene) -> None:
        """It is gone."""
        self._scenes.remove(scene)
        self._departed.append(scene)
        del self._departed[:-_DEPARTED_KEPT]

    def listed(self, listed: Iterable[tuple[str, str | None]]) -> list[Scene]:
        """OBS lists its scenes. Those that are not among them are gone (the result); names may have changed unseen."""
        told, known = list(listed), list(self._scenes)
        # By uuid first, so that a name that moved on to another scene is not mistaken for it.
        by_uuid = {scene.uuid: scene for scene in known if scene.uuid is not None}
        matched = {index: by_uuid.pop(uuid) for index, (_, uuid) in enumerate(told) if uuid in by_uuid}
        taken = {id(scene) for scene in matched.values()}
        for index, (name, uuid) in enumerate(told):
            if index not in matched:
                named = (scene for scene in known if scene.name == name and id(scene) not in taken)
                scene = next((scene for scene in named if uuid is None or scene.uuid is None), None)
                if scene is not None:
                    matched[index] = scene
                    taken.add(id(scene))
        gone = [scene for scene in known if id(scene) not in taken]
        for scene in gone:
            self.remove(scene)
        self._scenes[:] = []
        for index, (name, uuid) in sorted(enumerate(told), key=lambda item: item[0] not in matched):
            scene = matched.get(index)
            if scene is None:
                self._add(name, uuid)
            else:
                scene.name, scene.uuid = name, uuid or scene.uuid
                self._scenes.append(scene)
        return [scene for scene in gone if all(scene.id != other.id for other in self._scenes)]

    def anew(self) -> list[tuple[Scene, str]]:
        """Another session: each scene is the camera that it is called now. Those whose id changed, with the old one."""
        self._departed.clear()
        changed = []
        for scene in self._scenes:
            if scene.id != scene.name:
                changed.append((scene, scene.id))
                scene.id = scene.name
        return changed

    def _add(self, name: str, uuid: str | None) -> Scene:
        scene = self._back(name, uuid) or Scene(self._free(name), name, uuid)
        scene.name, scene.uuid = name, uuid
        self._scenes.append(scene)
        return scene

    def _back(self, name: str, uuid: str | None) -> Scene | None:
        """One that was gone, and is there again."""
        found = [scene for scene in self._departed if uuid is not None and scene.uuid == uuid]
        found = found or [scene for scene in self._departed if scene.name == name]
        if not found:
            return None
        self._departed.remove(found[-1])
        return found[-1]

    def _free(self, name: str) -> str:
        """``name``, or where a scene that was renamed has it for its id, the next that is free."""
        taken = {scene.id for scene in (*self._scenes, *self._departed)}
        free, number = name, 2
        while free in taken:
            free, number = f"{name} ({number})", number + 1
        return free
