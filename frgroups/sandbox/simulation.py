"""Simulate changes in a synthetic tenant over time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from random import Random

from frgroups.sandbox.fake_customers import CustomerFactory, Record, customer_row, stamp
from frgroups.sandbox.store import Store

DAYS_PER_MONTH = 30
ADMIN_USER = "admin"

# Changes per month, as fractions of all customers or of a group's members.
NEW_CUSTOMER_SHARE = 0.016
DELETED_CUSTOMER_SHARE = 0.001
CONSENT_CHANGE_SHARE = 0.01
LEAVE_SHARES = {"loyalty": 0.012, "group_vip": 0.035, "vip_gold": 0.04, "staff": 0.03}
LEAVE_SHARES |= {"newsletter_2025": 0.008, "sms": 0.006}
PROMOTION_SHARES = (("loyalty", "group_vip", 0.004), ("group_vip", "vip_gold", 0.01))
# Fractions of the new loyalty club members who also join another club, by the uid of the other club.
CLUB_SHARES = {"club_alpine": 0.08, "club_xc": 0.11, "club_yoga": 0.05, "club_football": 0.05, "club_junior": 0.04}
# A customer who leaves the loyalty club also leaves its subgroups.
# Members of VIP Gold are not selected when members of the group VIP leave.
SUBGROUPS = {"loyalty": ("group_vip", "vip_gold", *CLUB_SHARES)}
EXCLUDED_SUBGROUP = {"group_vip": "vip_gold"}
CLUB_LEAVE_SHARE = 0.01
CAMPAIGNS = ("black_week_", "campaign_")


def advance(store: Store, days: float) -> None:
    """
    Simulate a number of days in steps of at most 30 days.

    The simulated changes depend on the tenant's seed, on the number of days that earlier calls simulated, and on the
    length of each step.
    """
    while days > 0:
        step = min(days, DAYS_PER_MONTH)
        _Step(store, step).run()
        days -= step


class _Step:
    def __init__(self, store: Store, days: float) -> None:
        settings = store.settings()
        passed = settings.get("days_advanced", 0) + days
        store.save_settings({"days_advanced": passed})
        self.store = store
        self.month_share = days / DAYS_PER_MONTH
        self.number = settings.get("customers_made", 0)
        self.months = int(passed // DAYS_PER_MONTH)
        self.rng = Random(f"{settings['seed']}/{passed}")  # noqa: S311
        self.now: datetime = store.now()
        self.days = days

    def run(self) -> None:
        if not self.number:
            # A tenant without synthetic customers contains only the user's data, which must not change.
            return
        customers = [uid for (uid,) in self.store.read("SELECT uid FROM customers ORDER BY uid")]
        with self.store.write():
            self._delete_customers(customers)
            self._remove_members()
            self._promote_members()
            self._change_consents()
            self._add_customers(len(customers))
            if self.month_share == 1:
                self._start_campaign()
                self._end_old_campaign()

    def _sample(self, pool: list[str], share: float) -> list[str]:
        # The fractional part of the expected number is the probability of one more change, so that small tenants also
        # change.
        expected = share * self.month_share * len(pool)
        count = int(expected) + (self.rng.random() < expected % 1)
        return self.rng.sample(pool, min(count, len(pool)))

    def _change(self, group: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        add, remove = list(add), list(remove)
        if (add or remove) and self.store.group(group) is not None:
            self.store.change_members(group, add, remove)
            self.store.touch_groups([group], ADMIN_USER, stamp(self.now))

    def _delete_customers(self, customers: list[str]) -> None:
        for uid in self._sample(customers, DELETED_CUSTOMER_SHARE):
            self.store.delete_customer(uid)

    def _remove_members(self) -> None:
        for group, share in (LEAVE_SHARES | dict.fromkeys(CLUB_SHARES, CLUB_LEAVE_SHARE)).items():
            excluded = set(self.store.members(EXCLUDED_SUBGROUP.get(group, "")))
            leaving = self._sample([uid for uid in self.store.members(group) if uid not in excluded], share)
            for subgroup in (group, *SUBGROUPS.get(group, ())):
                members = set(self.store.members(subgroup))
                self._change(subgroup, remove=[uid for uid in leaving if uid in members])

    def _promote_members(self) -> None:
        for outer, inner, share in PROMOTION_SHARES:
            members = set(self.store.members(inner))
            outside = [uid for uid in self.store.members(outer) if uid not in members]
            self._change(inner, add=self._sample(outside, share))

    def _change_consents(self) -> None:
        customers = [uid for (uid,) in self.store.read("SELECT uid FROM customers ORDER BY uid")]
        changed = []
        for uid in self._sample(customers, CONSENT_CHANGE_SHARE):
            record = self.store.customer(uid)
            if record and record["consents"]:
                consent = self.rng.choice(record["consents"])
                consent.update(status=not consent["status"], source="MY_PAGES", createdAt=stamp(self.now))
                record["lastModifiedAt"] = stamp(self.now)
                changed.append(customer_row(record))
        self.store.put_customers(changed)

    def _add_customers(self, customers: int) -> None:
        expected = NEW_CUSTOMER_SHARE * self.month_share * customers
        factory = CustomerFactory(self.rng, self.now)
        new_members: dict[str, list[str]] = {}
        for _ in range(int(expected) + (self.rng.random() < expected % 1)):
            self.number += 1
            record = factory.customer(self.number, joined_within_days=self.days)
            self.store.put_customers([customer_row(record)])
            for group in self._first_groups(record):
                new_members.setdefault(group, []).append(record["customerUid"])
        for group, uids in new_members.items():
            self._change(group, add=uids)
        self.store.save_settings({"customers_made": self.number})

    def _first_groups(self, record: Record) -> list[str]:
        if self.rng.random() < 0.04:
            return []
        groups = [f"country_{record['countryCode'].lower()}"]
        if record["customerType"] != "PERSON":
            groups.append("b2b")
        if record["loyaltyId"] and self.rng.random() < 0.9:
            groups += ["loyalty", *(club for club, share in CLUB_SHARES.items() if self.rng.random() < share)]
        if record["defaultStore"] and self.rng.random() < 0.5:
            groups.append(f"{record['defaultStore']['storeUid']}_friends")
        if self.rng.random() < 0.3:
            groups.append("newsletter_2025")
        if self.rng.random() < 0.15:
            groups.append("sms")
        if record["customerType"] == "PERSON" and self.rng.random() < 0.012:
            groups.append("staff")
        return groups

    def _start_campaign(self) -> None:
        # The uid contains the number of the simulated month instead of a date, so that the result does not depend on
        # the current date.
        uid = f"campaign_offer_{self.months:03d}"
        pool = self.store.members("loyalty")
        invited = self.rng.sample(pool, round((0.05 + 0.06 * self.rng.random()) * len(pool)))
        self.store.put_group(uid, f"Månedens tilbud {self.months}", ADMIN_USER, stamp(self.now))
        self._change(uid, add=invited)

    def _end_old_campaign(self) -> None:
        known = [uid for (uid,) in self.store.read("SELECT uid FROM groups ORDER BY created_at, uid")]
        old = [uid for uid in sorted(known) if uid.startswith(CAMPAIGNS) and self.store.count_members(uid)][:-1]
        if not old:
            return
        # In odd months, the oldest campaign group loses all members. In even months, this group is deleted.
        if self.months % 2:
            self._change(old[0], remove=self.store.members(old[0]))
        else:
            self.store.delete_group(old[0])
