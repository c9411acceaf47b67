"""The made-up tenant: a Nordic sports retailer, its customers, and the groups that eight years leave behind."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from frgroups.errors import InputError
from frgroups.sandbox import vocabulary as words
from frgroups.sandbox.fake_customers import People, Record, customer_row, stamp
from frgroups.sandbox.store import Store

FEWEST_CUSTOMERS = 50
FEWEST_GROUPS = 8
# Of 100 customers so many are in no group, and thereby out of sight of the API.
UNSEEN = 0.04


@dataclass
class World:
    """The customers that may be in groups, and the groups made so far."""

    rng: Random
    customers: dict[str, Record]
    members: dict[str, list[str]] = field(default_factory=dict)

    def some(self, pool: Iterable[str], share: float) -> list[str]:
        """A random share of a pool, at least one of it."""
        uids = list(pool)
        count = min(len(uids), max(1, round(share * len(uids))))
        return sorted(self.rng.sample(uids, count))

    def where(self, test: Callable[[Record], object]) -> list[str]:
        """The uids of the customers that pass a test."""
        return [uid for uid, customer in self.customers.items() if test(customer)]


Rule = Callable[[World], list[str]]


def make_tenant(store: Store, *, customers: int, groups: int, seed: int, now: datetime) -> None:
    """
    Fill an empty store.

    Who is a customer and who is in which group depends on the numbers and the seed alone; dates go with `now`.
    """
    if customers < FEWEST_CUSTOMERS or groups < FEWEST_GROUPS:
        raise InputError(
            f"A tenant of {customers} customers and {groups} groups is too small to look real; "
            f"make it {FEWEST_CUSTOMERS} and {FEWEST_GROUPS} at least.",
            hint="Or pass empty=True to start with an empty tenant.",
            cli_hint="",
        )
    rng = Random(seed)  # noqa: S311
    people = People(rng, now)
    records = [people.customer(number) for number in range(1, customers + 1)]
    unseen = set(rng.sample(range(customers), round(UNSEEN * customers)))
    seen = {record["customerUid"]: record for number, record in enumerate(records) if number not in unseen}
    world = World(rng, seen)
    with store.write() as db:
        store.put_customers(map(customer_row, records))
        for uid, name, rule in _groups(rng, groups):
            world.members[uid] = rule(world)
            when = stamp(now - timedelta(days=rng.random() * 2500))
            db.execute("INSERT INTO groups VALUES (?, ?, 'admin', ?, 'admin', ?)", (uid, name, when, when))
            db.executemany("INSERT INTO memberships VALUES (?, ?)", [(uid, member) for member in world.members[uid]])
        store.list_groups_of(seen)
        store.save_settings({"seed": seed, "customers_made": customers})


def _groups(rng: Random, count: int) -> list[tuple[str, str, Rule]]:
    groups = [(uid or _uuid(rng), name, rule) for uid, name, rule in BASE][:count]
    for number in range(count - len(groups)):
        year, week = 2019 + number % 7, 2 + number * 7 % 50
        place = words.STORES[number % len(words.STORES)][1].removeprefix("Nordic Sport ")
        name = f"Kundekveld {place} {year}" if number % 3 else f"Kampanje {year} uke {week:02d}"
        groups.append((f"campaign_{year}_{week:02d}_{number}", name, _everyone(0.005 + 0.02 * rng.random())))
    return groups


def _uuid(rng: Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


# Rules: who is in a group. They run in the order of the groups and may look at the groups before.


def _everyone(share: float) -> Rule:
    return lambda world: world.some(world.customers, share)


def _nobody(_world: World) -> list[str]:
    return []


def _of(group: str, share: float = 1.0) -> Rule:
    return lambda world: world.some(world.members[group], share)


def _country(code: str) -> Rule:
    return lambda world: world.where(lambda customer: customer["countryCode"] == code)


def _store(uid: str, share: float = 0.5) -> Rule:
    return lambda world: world.some(
        world.where(lambda customer: (customer["defaultStore"] or {}).get("storeUid") == uid), share
    )


def _kind(*kinds: str) -> Rule:
    return lambda world: world.where(lambda customer: customer["customerType"] in kinds)


def _named(*parts: str) -> Rule:
    def rule(world: World) -> list[str]:
        companies = world.where(lambda customer: customer["customerType"] != "PERSON")
        return [uid for uid in companies if any(part in world.customers[uid]["companyName"] for part in parts)]

    return rule


def _pricelist(uid: str) -> Rule:
    return lambda world: world.where(lambda customer: customer["pricelistUid"] == uid)


def _consent(uid: str, share: float) -> Rule:
    def given(customer: Record) -> bool:
        return any(consent["consentUid"] == uid and consent["status"] for consent in customer["consents"])

    return lambda world: world.some(world.where(given), share)


def _loyal(world: World) -> list[str]:
    return world.some(world.where(lambda customer: customer["loyaltyId"]), 0.85)


def _staff(world: World) -> list[str]:
    persons = world.where(lambda customer: customer["customerType"] == "PERSON")
    # Staff shop where they work: two of three are in the club, and of those many are VIP.
    vip = world.some(world.members["group_vip"], 0.04)
    return sorted({*world.some(persons, 0.012), *vip})


def _nearly(group: str) -> Rule:
    def rule(world: World) -> list[str]:
        return sorted({*world.some(world.members[group], 0.992), *world.some(world.customers, 0.002)})

    return rule


# Uid, name, rule. The first eight stand in the smallest tenant too. Without a uid a UUID is made up.
BASE: tuple[tuple[str, str, Rule], ...] = (
    ("loyalty", "Loyalty club", _loyal),
    ("group_vip", "VIP", _of("loyalty", 0.092)),
    ("vip_gold", "VIP Gold", _of("group_vip", 0.2)),
    ("staff", "Staff", _staff),
    ("newsletter_2025", "Newsletter 2025", _consent("consent_newsletter", 0.6)),
    ("", "Newsletter 2025 (copy)", _nearly("newsletter_2025")),
    ("0150", "Venner av butikken, Oslo", _store("store_oslo", 0.3)),
    ("pilot", "Pilot (ikke startet)", _nobody),
    ("country_no", "Norge", _country("NO")),
    ("country_se", "Sverige", _country("SE")),
    ("country_dk", "Danmark", _country("DK")),
    ("country_fi", "Suomi", _country("FI")),
    ("b2b", "B2B", _kind("B2B", "COMPANY")),
    ("", "B2B avtalekunder", _kind("B2B")),
    ("b2b_clubs", "B2B idrettslag og klubber", _named(" IL", " IF", "idrettslag", "skiklubb")),
    ("b2b_schools", "B2B skoler", _named("skole", "skola", "videregående")),
    ("b2b_public", "B2B kommuner", _named("kommun", "fylke")),
    ("b2b_hotels", "B2B hotell & spa", _named("Hotell", "Spa", "fjellstue")),
    ("b2b_trade", "B2B håndverk", _named("bygg", "Maskin", "Søn")),
    ("0700", "Prisliste 0700", _pricelist("0700")),
    ("pricelist_b2b", "Prisliste bedrift", _pricelist("pricelist_b2b")),
    ("pricelist_club", "Prisliste klubb", _pricelist("pricelist_club")),
    ("pricelist_staff", "Personalrabatt", _pricelist("pricelist_staff")),
    ("black_week_2021", "Black Week 2021", _everyone(0.05)),
    ("black_week_2022", "Black Week 2022", _everyone(0.06)),
    ("black_week_2023", "Black Week 2023", _everyone(0.05)),
    ("black_week_2024", "Black Week 2024", _everyone(0.07)),
    ("black_week_2025", "Black Week 2025", _everyone(0.08)),
    ("", "Kampanje", _everyone(0.02)),
    ("", "Kampanje", _everyone(0.03)),
    ("outlet", "<b>Outlet</b>", _everyone(0.04)),
    ("", "Löparklubben", _of("loyalty", 0.06)),
    ("club_alpine", "Alpint & fjell", _of("loyalty", 0.08)),
    ("club_xc", "Langrenn", _of("loyalty", 0.11)),
    ("", "Sykkel", _of("loyalty", 0.07)),
    ("club_yoga", "Yoga, pilates og styrke", _of("loyalty", 0.03)),
    ("club_football", "Fotball", _of("loyalty", 0.05)),
    ("ski_testers", "Skitestere", _of("club_xc", 0.1)),
    ("", "Skitestere 2024", _of("ski_testers")),
    ("club_junior", "Junior <13", _of("loyalty", 0.04)),
    ("club_retur", "Retur & gjenbruk", _everyone(0.015)),
    ("sms", "SMS-klubben", _consent("consent_sms", 0.5)),
    ("newsletter_2023", "Newsletter 2023", _consent("consent_newsletter", 0.4)),
    ("newsletter_2024", "Newsletter 2024", _consent("consent_newsletter", 0.5)),
    ("no_newsletter", "Ikke nyhetsbrev", _everyone(0.01)),
    ("win_back", 'Win-back "2024"', _everyone(0.03)),
    *((f"{uid}_friends", name, _store(uid)) for uid, name, _ in words.STORES),
)
