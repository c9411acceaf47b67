"""Create the synthetic tenant of a sandbox: a Nordic sports retailer with customers and groups."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from frgroups.errors import InputError
from frgroups.sandbox import vocabulary
from frgroups.sandbox.fake_customers import CustomerFactory, Record, customer_row, stamp
from frgroups.sandbox.minimums import MIN_CUSTOMERS, MIN_GROUPS
from frgroups.sandbox.store import Store

# Share of customers without a group. The API does not return these customers.
UNGROUPED_SHARE = 0.04


@dataclass
class TenantDraft:
    """Synthetic tenant that is being created: its customers, and the members of the groups created so far."""

    rng: Random
    customers: dict[str, Record]
    members: dict[str, list[str]] = field(default_factory=dict)

    def sample(self, pool: Iterable[str], share: float) -> list[str]:
        """Return a sorted random sample of the uids in a pool. The sample is empty only if the pool is empty."""
        uids = list(pool)
        count = min(len(uids), max(1, round(share * len(uids))))
        return sorted(self.rng.sample(uids, count))

    def uids_where(self, test: Callable[[Record], object]) -> list[str]:
        """Return the uids of all customers for which the function `test` returns a true value."""
        return [uid for uid, customer in self.customers.items() if test(customer)]


Rule = Callable[[TenantDraft], list[str]]


def make_tenant(store: Store, *, customers: int, groups: int, seed: int, now: datetime) -> None:
    """
    Write the customers and groups of a synthetic tenant to an empty store.

    Customers and memberships depend only on `customers`, `groups`, and `seed`. Dates also depend on `now`.
    """
    if customers < MIN_CUSTOMERS or groups < MIN_GROUPS:
        raise InputError(
            f"`customers` must be at least {MIN_CUSTOMERS} and `groups` at least {MIN_GROUPS}, "
            f"got {customers} and {groups}.",
            hint="To start with an empty tenant, pass empty=True.",
            cli_hint="",
        )
    rng = Random(seed)  # noqa: S311
    factory = CustomerFactory(rng, now)
    records = [factory.customer(number) for number in range(1, customers + 1)]
    ungrouped = set(rng.sample(range(customers), round(UNGROUPED_SHARE * customers)))
    grouped = {record["customerUid"]: record for number, record in enumerate(records) if number not in ungrouped}
    draft = TenantDraft(rng, grouped)
    with store.write() as db:
        store.put_customers(map(customer_row, records))
        for uid, name, rule in _choose_groups(rng, groups):
            draft.members[uid] = rule(draft)
            when = stamp(now - timedelta(days=rng.random() * 2500))
            db.execute("INSERT INTO groups VALUES (?, ?, 'admin', ?, 'admin', ?)", (uid, name, when, when))
            db.executemany("INSERT INTO memberships VALUES (?, ?)", [(uid, member) for member in draft.members[uid]])
        store.update_group_lists(grouped)
        store.save_settings({"seed": seed, "customers_made": customers})


def _choose_groups(rng: Random, count: int) -> list[tuple[str, str, Rule]]:
    groups = [(uid or _random_uuid(rng), name, rule) for uid, name, rule in BASE][:count]
    for number in range(count - len(groups)):
        year, week = 2019 + number % 7, 2 + number * 7 % 50
        place = vocabulary.STORES[number % len(vocabulary.STORES)][1].removeprefix("Nordic Sport ")
        name = f"Kundekveld {place} {year}"
        if number % 3 == 0:
            name = f"Kampanje {year} uke {week:02d}"
        groups.append((f"campaign_{year}_{week:02d}_{number}", name, _random_customers(0.005 + 0.02 * rng.random())))
    return groups


def _random_uuid(rng: Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


# A rule is a function that returns the members of a group. A rule can use the members of groups created earlier.


def _random_customers(share: float) -> Rule:
    return lambda draft: draft.sample(draft.customers, share)


def _no_customers(_draft: TenantDraft) -> list[str]:
    return []


def _share_of_group(group: str, share: float = 1.0) -> Rule:
    return lambda draft: draft.sample(draft.members[group], share)


def _in_country(code: str) -> Rule:
    return lambda draft: draft.uids_where(lambda customer: customer["countryCode"] == code)


def _of_store(uid: str, share: float = 0.5) -> Rule:
    return lambda draft: draft.sample(
        draft.uids_where(lambda customer: (customer["defaultStore"] or {}).get("storeUid") == uid), share
    )


def _of_types(*kinds: str) -> Rule:
    return lambda draft: draft.uids_where(lambda customer: customer["customerType"] in kinds)


def _company_name_contains(*parts: str) -> Rule:
    def rule(draft: TenantDraft) -> list[str]:
        companies = draft.uids_where(lambda customer: customer["customerType"] != "PERSON")
        return [uid for uid in companies if any(part in draft.customers[uid]["companyName"] for part in parts)]

    return rule


def _with_pricelist(uid: str) -> Rule:
    return lambda draft: draft.uids_where(lambda customer: customer["pricelistUid"] == uid)


def _with_consent(uid: str, share: float) -> Rule:
    def given(customer: Record) -> bool:
        return any(consent["consentUid"] == uid and consent["status"] for consent in customer["consents"])

    return lambda draft: draft.sample(draft.uids_where(given), share)


def _loyalty_members(draft: TenantDraft) -> list[str]:
    return draft.sample(draft.uids_where(lambda customer: customer["loyaltyId"]), 0.85)


def _staff_members(draft: TenantDraft) -> list[str]:
    persons = draft.uids_where(lambda customer: customer["customerType"] == "PERSON")
    # Some employees are also VIP customers.
    vip = draft.sample(draft.members["group_vip"], 0.04)
    return sorted({*draft.sample(persons, 0.012), *vip})


def _near_copy_of(group: str) -> Rule:
    def rule(draft: TenantDraft) -> list[str]:
        return sorted({*draft.sample(draft.members[group], 0.992), *draft.sample(draft.customers, 0.002)})

    return rule


# Uid (empty for a random UUID), name, and rule of each group. The smallest tenant has only the first eight groups.
BASE: tuple[tuple[str, str, Rule], ...] = (
    ("loyalty", "Loyalty club", _loyalty_members),
    ("group_vip", "VIP", _share_of_group("loyalty", 0.092)),
    ("vip_gold", "VIP Gold", _share_of_group("group_vip", 0.2)),
    ("staff", "Staff", _staff_members),
    ("newsletter_2025", "Newsletter 2025", _with_consent("consent_newsletter", 0.6)),
    ("", "Newsletter 2025 (copy)", _near_copy_of("newsletter_2025")),
    ("0150", "Venner av butikken, Oslo", _of_store("store_oslo", 0.3)),
    ("pilot", "Pilot (ikke startet)", _no_customers),
    ("country_no", "Norge", _in_country("NO")),
    ("country_se", "Sverige", _in_country("SE")),
    ("country_dk", "Danmark", _in_country("DK")),
    ("country_fi", "Suomi", _in_country("FI")),
    ("b2b", "B2B", _of_types("B2B", "COMPANY")),
    ("", "B2B avtalekunder", _of_types("B2B")),
    ("b2b_clubs", "B2B idrettslag og klubber", _company_name_contains(" IL", " IF", "idrettslag", "skiklubb")),
    ("b2b_schools", "B2B skoler", _company_name_contains("skole", "skola", "videregående")),
    ("b2b_public", "B2B kommuner", _company_name_contains("kommun", "fylke")),
    ("b2b_hotels", "B2B hotell & spa", _company_name_contains("Hotell", "Spa", "fjellstue")),
    ("b2b_trade", "B2B håndverk", _company_name_contains("bygg", "Maskin", "Søn")),
    ("0700", "Prisliste 0700", _with_pricelist("0700")),
    ("pricelist_b2b", "Prisliste bedrift", _with_pricelist("pricelist_b2b")),
    ("pricelist_club", "Prisliste klubb", _with_pricelist("pricelist_club")),
    ("pricelist_staff", "Personalrabatt", _with_pricelist("pricelist_staff")),
    ("black_week_2021", "Black Week 2021", _random_customers(0.05)),
    ("black_week_2022", "Black Week 2022", _random_customers(0.06)),
    ("black_week_2023", "Black Week 2023", _random_customers(0.05)),
    ("black_week_2024", "Black Week 2024", _random_customers(0.07)),
    ("black_week_2025", "Black Week 2025", _random_customers(0.08)),
    ("", "Kampanje", _random_customers(0.02)),
    ("", "Kampanje", _random_customers(0.03)),
    ("outlet", "<b>Outlet</b>", _random_customers(0.04)),
    ("", "Löparklubben", _share_of_group("loyalty", 0.06)),
    ("club_alpine", "Alpint & fjell", _share_of_group("loyalty", 0.08)),
    ("club_xc", "Langrenn", _share_of_group("loyalty", 0.11)),
    ("", "Sykkel", _share_of_group("loyalty", 0.07)),
    ("club_yoga", "Yoga, pilates og styrke", _share_of_group("loyalty", 0.03)),
    ("club_football", "Fotball", _share_of_group("loyalty", 0.05)),
    ("ski_testers", "Skitestere", _share_of_group("club_xc", 0.1)),
    ("", "Skitestere 2024", _share_of_group("ski_testers")),
    ("club_junior", "Junior <13", _share_of_group("loyalty", 0.04)),
    ("club_retur", "Retur & gjenbruk", _random_customers(0.015)),
    ("sms", "SMS-klubben", _with_consent("consent_sms", 0.5)),
    ("newsletter_2023", "Newsletter 2023", _with_consent("consent_newsletter", 0.4)),
    ("newsletter_2024", "Newsletter 2024", _with_consent("consent_newsletter", 0.5)),
    ("no_newsletter", "Ikke nyhetsbrev", _random_customers(0.01)),
    ("win_back", 'Win-back "2024"', _random_customers(0.03)),
    *((f"{uid}_friends", name, _of_store(uid)) for uid, name, _ in vocabulary.STORES),
)
