"""What became of a plan so far, as the lines of its journal tell, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from frgroups.human import counted

Item = tuple[str, str, str]  # group uid, customer uid, "add" or "remove"


@dataclass
class Past:
    """What a journal tells: the state of an apply when it was last alive."""

    started: str = ""
    digest: str = ""  # Of the plan that it tells of.
    approval: dict[str, str] = field(default_factory=dict)
    already: set[Item] = field(default_factory=set)
    looked_at: set[str] = field(default_factory=set)
    intended: set[Item] = field(default_factory=set)
    accepted: set[Item] = field(default_factory=set)
    refused: dict[Item, str] = field(default_factory=dict)
    unsent: set[Item] = field(default_factory=set)
    unanswered: set[Item] = field(default_factory=set)  # Sent once without an answer: it may show late.
    creating: set[str] = field(default_factory=set)
    created: set[str] = field(default_factory=set)
    ended: bool = False
    forgotten: str = ""  # A customer of it was forgotten since: it can be read, not gone on with.

    @property
    def n_sent(self) -> int:
        """How many changes were sent, or may have been."""
        return len(self.intended - self.unsent) + len(self.creating)

    def told(self) -> str:
        """
        What to say of what was sent when nothing is sent now.

        >>> Past().told()
        'Nothing was sent.'
        """
        if not self.n_sent:
            return "Nothing was sent."
        changes = counted(self.n_sent, "change")
        return f"An earlier run sent {changes}, of which this plan's journal tells; now nothing more was sent."

    def take(self, line: dict[str, Any]) -> None:
        """Take one line of the journal in."""
        event, group = line["event"], line.get("group", "")
        items = {(group, uid, line["change"]) for uid in line.get("uids", ())} if "change" in line else set()
        if event == "start":
            self.started = self.started or line["at"]
            self.digest = line.get("digest", "")
            self.approval = line["approval"]
            self.forgotten = self.forgotten or line.get("forgotten", "")
        elif event == "look":
            self.looked_at.add(group)
            self.already |= {(group, uid, change) for change in ("add", "remove") for uid in line[change]}
        elif event == "intent" and line.get("create"):
            self.creating.add(group)
        elif event == "outcome" and line.get("create"):
            if line["result"] == "accepted":
                self.created.add(group)
            elif line["result"] == "refused":
                self.creating.discard(group)
        elif event == "intent":
            self.unanswered |= (items & self.intended) - self.unsent - self.refused.keys()
            self.intended |= items
            self.unsent -= items
        elif event == "outcome" and line["result"] == "accepted":
            self.accepted |= items
        elif event == "outcome" and line["result"] == "refused":
            self.refused |= dict.fromkeys(items, line["message"])
        elif event == "outcome" and line["result"] == "not_sent":
            self.unsent |= items - self.unanswered
        elif event == "end":
            self.ended = line["complete"]
