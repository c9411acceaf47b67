"""How time passes in the made-up tenant: who comes, who goes, what is renamed, emptied and begun."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from random import Random

from frgroups.sandbox.fake_customers import People, Record, customer_row, stamp
from frgroups.sandbox.store import Store

DAYS = 30
WHO = "admin"

# What a month does, as a share of the customers, or of the group's members.
CUSTOMERS_COME = 0.016
CUSTOMERS_DELETED = 0.001
CONSENTS_CHANGE = 0.01
LEAVE = {"loyalty": 0.012, "group_vip": 0.035, "vip_gold": 0.04, "staff": 0.03}
LEAVE |= {"newsletter_2025": 0.008, "sms": 0.006}
PROMOTED = (("loyalty", "group_vip", 0.004), ("group_vip", "vip_gold", 0.01))
# Of the new members of the loyalty club so many join these too.
CLUBS = {"club_alpine": 0.08, "club_xc": 0.11, "club_yoga": 0.05, "club_football": 0.05, "club_junior": 0.04}
# Who leaves the first leaves the others too: they are nested. But who leaves VIP is not VIP Gold any more.
NESTED = {"loyalty": ("group_vip", "vip_gold", *CLUBS)}
LEFT_FROM_WITHIN = {"group_vip": "vip_gold"}
CLUBS_LEFT = 0.01
CAMPAIGNS = ("black_week_", "campaign_")


def advance(store: Store, days: float) -> None:
    """Let days pass: in steps of a month and a rest, the same for the same seed, date and steps."""
    while days > 0:
        step = min(days, DAYS)
        _Step(store, step).run()
        days -= step


class _Step:
    def __init__(self, store: Store, days: float) -> None:
        settings = store.settings()
        passed = settings.get("days_advanced", 0) + days
        store.save_settings({"days_advanced": passed})
        self.store = store
        self.part = days / DAYS
        self.number = settings.get("customers_made", 0)
        self.months = int(passed // DAYS)
        self.rng = Random(f"{settings['seed']}/{passed}")  # noqa: S311
        self.now: datetime = store.now()
        self.days = days

    def run(self) -> None:
        if not self.number:
            # The tenant was filled by hand, and is not ours to change.
            return
        customers = [uid for (uid,) in self.store.read("SELECT uid FROM customers ORDER BY uid")]
        with self.store.write():
            self._some_are_deleted(customers)
            self._some_leave_groups()
            self._some_are_promoted()
            self._some_change_consents()
            self._new_ones_come(len(customers))
            if self.part == 1:
                self._a_campaign_begins()
                self._an_old_campaign_ends()

    def _some(self, pool: list[str], share: float) -> list[str]:
        # A count below one is drawn, so that small tenants and short times are not stuck.
        wanted = share * self.part * len(pool)
        count = int(wanted) + (self.rng.random() < wanted % 1)
        return self.rng.sample(pool, min(count, len(pool)))

    def _change(self, group: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        add, remove = list(add), list(remove)
        if (add or remove) and self.store.group(group) is not None:
            self.store.change_members(group, add, remove)
            self.store.touch_groups([group], WHO, stamp(self.now))

    def _some_are_deleted(self, customers: list[str]) -> None:
        for uid in self._some(customers, CUSTOMERS_DELETED):
            self.store.delete_customer(uid)

    def _some_leave_groups(self) -> None:
        for group, share in (LEAVE | dict.fromkeys(CLUBS, CLUBS_LEFT)).items():
            within = set(self.store.members(LEFT_FROM_WITHIN.get(group, "")))
            leaving = self._some([uid for uid in self.store.members(group) if uid not in within], share)
            for inner in (group, *NESTED.get(group, ())):
                members = set(self.store.members(inner))
                self._change(inner, remove=[uid for uid in leaving if uid in members])

    def _some_are_promoted(self) -> None:
        for outer, inner, share in PROMOTED:
            members = set(self.store.members(inner))
            outside = [uid for uid in self.store.members(outer) if uid not in members]
            self._change(inner, add=self._some(outside, share))

    def _some_change_consents(self) -> None:
        customers = [uid for (uid,) in self.store.read("SELECT uid FROM customers ORDER BY uid")]
        changed = []
        for uid in self._some(customers, CONSENTS_CHANGE):
            record = self.store.customer(uid)
            if record and record["consents"]:
                consent = self.rng.choice(record["consents"])
                consent.update(status=not consent["status"], source="MY_PAGES", createdAt=stamp(self.now))
                record["lastModifiedAt"] = stamp(self.now)
                changed.append(customer_row(record))
        self.store.put_customers(changed)

    def _new_ones_come(self, customers: int) -> None:
        wanted = CUSTOMERS_COME * self.part * customers
        people = People(self.rng, self.now)
        coming: dict[str, list[str]] = {}
        for _ in range(int(wanted) + (self.rng.random() < wanted % 1)):
            self.number += 1
            record = people.customer(self.number, joined_within_days=self.days)
            self.store.put_customers([customer_row(record)])
            for group in self._first_groups(record):
                coming.setdefault(group, []).append(record["customerUid"])
        for group, uids in coming.items():
            self._change(group, add=uids)
        self.store.save_settings({"customers_made": self.number})

    def _first_groups(self, record: Record) -> list[str]:
        if self.rng.random() < 0.04:
            return []
        groups = [f"country_{record['countryCode'].lower()}"]
        if record["customerType"] != "PERSON":
            groups.append("b2b")
        if record["loyaltyId"] and self.rng.random() < 0.9:
            groups += ["loyalty", *(club for club, share in CLUBS.items() if self.rng.random() < share)]
        if record["defaultStore"] and self.rng.random() < 0.5:
            groups.append(f"{record['defaultStore']['storeUid']}_friends")
        if self.rng.random() < 0.3:
            groups.append("newsletter_2025")
        if self.rng.random() < 0.15:
            groups.append("sms")
        if record["customerType"] == "PERSON" and self.rng.random() < 0.012:
            groups.append("staff")
        return groups

    def _a_campaign_begins(self) -> None:
        # Numbered, not dated: the same months have the same groups whenever they pass.
        uid = f"campaign_offer_{self.months:03d}"
        pool = self.store.members("loyalty")
        invited = self.rng.sample(pool, round((0.05 + 0.06 * self.rng.random()) * len(pool)))
        self.store.put_group(uid, f"Månedens tilbud {self.months}", WHO, stamp(self.now))
        self._change(uid, add=invited)

    def _an_old_campaign_ends(self) -> None:
        known = [uid for (uid,) in self.store.read("SELECT uid FROM groups ORDER BY created_at, uid")]
        old = [uid for uid in sorted(known) if uid.startswith(CAMPAIGNS) and self.store.count_members(uid)][:-1]
        if not old:
            return
        # Every other month it is forgotten instead of deleted, as a group without members.
        if self.months % 2:
            self._change(old[0], remove=self.store.members(old[0]))
        else:
            self.store.delete_group(old[0])
