"""What the server's frames could not show, in sentences for the operator. Each is said once, with how often."""

from __future__ import annotations

from tap.core.machine.state import Doubts

__all__ = ["doubts_in_words"]


def doubts_in_words(doubts: Doubts) -> list[str]:
    """One sentence for each kind of doubt; none where everything was clear."""
    said = [
        (doubts.believed, "may be a repeat: it has no id, number or exact time; it was counted as new"),
        (doubts.scopes, "the sequence numbers started again, although the dialect says that they continue"),
        (doubts.late, "arrived after later ones; it is in the history at its own time"),
        (doubts.undated, "of the past was repeated without a time; it was left out"),
        (doubts.unplaced, "belongs to a session that is no longer known; it was left out"),
        (doubts.forgotten, "were dropped from memory to stay within bounds; repeats of them may count twice"),
    ]
    subjects = (
        ("change", "changes"),
        ("time", "times"),
        ("event", "events"),
        ("event", "events"),
        ("still", "stills"),
        ("old record", "old records"),
    )
    sentences = [
        f"{count} {one if count == 1 else many}: {words}"
        for (count, words), (one, many) in zip(said, subjects, strict=True)
        if count
    ]
    if doubts.untrusted:
        sentences.append(
            "sequence numbers contradict the dialect, so they are ignored: set [frame] seq_orders to what they count"
        )
    return sentences
