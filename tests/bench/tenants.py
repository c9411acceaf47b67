"""Create synthetic tenants with known sizes, and the API record of each customer as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

SEED = 20261123
TENANT_UID = "bench"
SKEW = 0.8


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a tenant. Group sizes are proportional to rank**-SKEW, and another group can contain all customers."""

    customers: int
    groups: int
    memberships: int
    everybody: bool = False


SHAPES = {
    "tiny": Shape(customers=800, groups=12, memberships=1_600),
    "tiny+all": Shape(customers=800, groups=12, memberships=1_600, everybody=True),
    "changed": Shape(customers=70_000, groups=50, memberships=400_000),
    "S": Shape(customers=20_000, groups=200, memberships=80_000),
    "L": Shape(customers=100_000, groups=200, memberships=400_000),
    "L+all": Shape(customers=100_000, groups=200, memberships=400_000, everybody=True),
    "XL": Shape(customers=1_000_000, groups=1_000, memberships=5_000_000),
}


@dataclass(frozen=True)
class Tenant:
    """Synthetic tenant with groups and customers. The members of each group are in the order that the API returns.

    A tenant with the same name is the same on every machine.
    """

    name: str
    group_uids: list[str]
    customer_uids: list[str]
    members: list[npt.NDArray[np.int32]]

    @property
    def n_memberships(self) -> int:
        """Total number of memberships."""
        return sum(map(len, self.members))

    @cached_property
    def group_records(self) -> list[bytes]:
        """API record of each group as JSON."""
        return [_group_record(number, uid) for number, uid in enumerate(self.group_uids)]

    def customer_records(self) -> Iterator[bytes]:
        """Yield the API record of each customer, with all documented fields and about 2,150 bytes."""
        dice = np.random.default_rng(SEED).integers(0, 2**31, (len(self.customer_uids), 8))
        stores, users = _uids(40, SEED + 1), _uids(25, SEED + 2)
        for number, (uid, groups) in enumerate(zip(self.customer_uids, self._groups_of_customers(), strict=True)):
            record = _customer_record(number, uid, groups, dice[number].tolist(), stores, users)
            yield msgspec.json.encode(record)

    def _groups_of_customers(self) -> Iterator[list[str]]:
        customer = np.concatenate(self.members)
        group = np.repeat(np.arange(len(self.members)), [len(codes) for codes in self.members])
        by_customer = group[np.argsort(customer, kind="stable")].tolist()
        ends = np.cumsum(np.bincount(customer, minlength=len(self.customer_uids))).tolist()
        for start, end in zip([0, *ends], ends, strict=False):
            yield [self.group_uids[code] for code in by_customer[start:end]]


def make_tenant(name: str) -> Tenant:
    """Return the tenant with the given name in SHAPES."""
    shape = SHAPES[name]
    rng = np.random.default_rng(SEED)
    weights = np.arange(1, shape.groups + 1) ** -SKEW
    sizes = np.maximum(1, np.rint(shape.memberships * weights / weights.sum())).astype(int)
    members = [rng.choice(shape.customers, size, replace=False).astype(np.int32) for size in sizes]
    if shape.everybody:
        members.append(rng.permutation(shape.customers).astype(np.int32))
    # The API does not list groups by size.
    shuffled = [members[place] for place in np.random.default_rng(SEED + 3).permutation(len(members))]
    return Tenant(name, _uids(len(members), SEED + 4), _uids(shape.customers, SEED), shuffled)


def _uids(n: int, seed: int) -> list[str]:
    """Return random uids such as uuid4 creates, because sequential uids would compress to half the size."""
    text = np.random.default_rng(seed).bytes(16 * n).hex()
    codes = (text[at : at + 32] for at in range(0, 32 * n, 32))
    return [f"{t[:8]}-{t[8:12]}-4{t[13:16]}-{'89ab'[int(t[16], 16) % 4]}{t[17:20]}-{t[20:]}" for t in codes]


def _words(text: str) -> list[str]:
    return text.split()


_FIRST = _words("Åse Bjørn Cecilie Dagfinn Eirik Frøydis Gunnhild Håkon Jørgen Kåre Løvise Målfrid Nils-Åge Øystein")
_LAST = _words(
    "Aasen Bjørnstad Dælen Engebråten Fjørtoft Grønnevik Håpnes Kjølås Myrvåg Nygård Rødseth Sætre Ødegård"
)
_STREET = _words("Bjørkeveien Granåsen Høyblokka Kirkegårdsgata Løkkebakken Sjøgata Storgata Tømmerveien Skogveien")
_CITY = _words("Ålesund Bodø Drøbak Florø Hønefoss Kongsberg Lillehammer Måløy Røros Tromsø")
_COUNTRY = ("NO", "NO", "NO", "NO", "SE", "DK")
_CONSENTS = [(uid, uid.capitalize()) for uid in ("newsletter", "sms", "profiling")]


def _moment(roll: int) -> str:
    """Return a timestamp between 2018 and 2025 that is derived from a random number."""
    return (
        f"{2018 + roll % 8}-{1 + roll // 8 % 12:02d}-{1 + roll // 96 % 28:02d}"
        f"T{roll // 2688 % 24:02d}:{roll // 64512 % 60:02d}:{roll % 60:02d}.{roll % 1000:03d}Z"
    )


def _group_record(number: int, uid: str) -> bytes:
    record = {
        "customerGroupUid": uid,
        "name": f"Kundegruppe {number} {_CITY[number % len(_CITY)]}",
        "createdBy": "Kari Eksempel",
        "createdAt": _moment(number * 7919),
        "lastModifiedBy": "Ola Eksempel",
        "lastModifiedAt": _moment(number * 104_729),
    }
    return msgspec.json.encode(record)


def _customer_record(
    number: int, uid: str, groups: list[str], dice: list[int], stores: list[str], users: list[str]
) -> dict[str, object]:
    a, b, c, d, e, f, g, h = dice
    first, last = _FIRST[a % len(_FIRST)], _LAST[b % len(_LAST)]
    name, firm = f"{first} {last}", f"{last} & {_LAST[c % len(_LAST)]} Handel AS"
    street, city = f"{_STREET[c % len(_STREET)]} {d % 240}", _CITY[d % len(_CITY)]
    postal_code, mobile = f"{e % 10_000:04d}", f"+479{f % 10_000_000:07d}"
    email, country = f"kunde{number}.{g % 997}@eksempel.invalid", _COUNTRY[h % len(_COUNTRY)]
    kind = "B2B" if a % 25 == 0 else "COMPANY" if a % 10 == 0 else "PERSON"
    return {
        "address": street,
        "city": city,
        "companyName": firm if kind != "PERSON" else "",
        "countryCode": country,
        "createdAt": _moment(a),
        "customerUid": uid,
        "customerParentUid": "",
        "customerType": kind,
        "email": email if b % 9 else "",
        "externalId": f"{100_000 + number}",
        "firstname": first,
        "lastModifiedAt": _moment(b),
        "lastname": last,
        "ledgerNumber": f"{15_000_000 + number}",
        "mobile": mobile if c % 7 else "",
        "postalCode": postal_code,
        "pricelistUid": stores[d % 40] if d % 5 == 0 else "",
        "vatNumber": f"NO{e % 1_000_000_000:09d}MVA" if kind != "PERSON" else "",
        "origin": ("POS", "WEB", "IMPORT")[f % 3],
        "addresses": [
            {
                "address": f"{street} {'HB'[part]}",
                "city": city,
                "companyName": firm,
                "firstname": first,
                "lastname": last,
                "countryCode": country,
                "email": email,
                "phone": mobile,
                "postalCode": postal_code,
                "type": ("DELIVERY_ADDRESS", "INVOICE_ADDRESS")[part],
                "customerAddressUid": f"{number:08x}-{part:04x}-4{c % 4096:03x}-8{d % 4096:03x}-{e:012x}",
                "displayName": name,
            }
            for part in ((0,) if kind == "PERSON" else (0, 1))
        ],
        "contacts": [
            {
                "firstname": _FIRST[g % len(_FIRST)],
                "lastname": last,
                "email": f"innkjop.{email}",
                "mobile": mobile,
                "createdAt": _moment(c),
                "lastModifiedAt": _moment(d),
                "customerContactUid": f"{number:08x}-c0de-4{f % 4096:03x}-9{g % 4096:03x}-{h:012x}",
                "extensions": [],
                "displayName": f"{_FIRST[g % len(_FIRST)]} {last}",
                "role": ("PURCHASER", "ACCOUNTING", "NONE")[g % 3],
            }
            for _ in range(1 if kind != "PERSON" else h % 2)
        ],
        "extensions": [{"extensionCode": "KLAVIYO_PROFILE_ID", "organizationUid": stores[h % 40]}],
        "consents": [
            {
                "consentUid": consent,
                "name": label,
                "status": (a >> part) % 3 > 0,
                "source": ("POS", "WEB")[(b >> part) % 2],
                "createdAt": _moment(c >> part),
            }
            for part, (consent, label) in enumerate(_CONSENTS)
        ],
        "loyaltyId": f"L{f:010d}" if f % 3 else "",
        "displayName": name if kind == "PERSON" else firm,
        "credit": {"limit": (g % 500) * 1_000, "balance": h % 100_000},
        "paymentTerms": (0, 14, 30, 45)[h % 4],
        "internalNote": "Ønsker levering på døra etter kl. 17." if e % 3 == 0 else "",
        "accountManager": {
            "tenantUserUid": users[f % 25],
            "displayName": _LAST[f % len(_LAST)],
            "userCode": f"{f % 25:03d}",
        },
        "ehfEnabled": kind == "B2B",
        "ehf": {"enabled": kind == "B2B", "address": f"0192:{e % 1_000_000_000:09d}"},
        "customerGroupUids": groups,
        "defaultStore": {"name": f"Butikk {city}", "storeUid": stores[g % 40]} if g % 4 else None,
        "relevance": 0.0,
    }
