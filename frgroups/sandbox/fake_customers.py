"""Create synthetic customers with unassigned email addresses and phone numbers."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec

from frgroups.sandbox import vocabulary
from frgroups.sandbox.store import CustomerRow
from frgroups.sandbox.vocabulary import Country

Record = dict[str, Any]

DAYS_OF_HISTORY = 8 * 365


def stamp(when: datetime) -> str:
    """Format a timestamp as in the API, for example 2026-03-05T09:12:44.120Z."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def blank_customer(uid: str, when: datetime) -> Record:
    """Return the API fields of a customer with the given uid. All other fields have default values."""
    return {
        "customerUid": uid,
        "customerParentUid": "",
        "customerType": "PERSON",
        "externalId": "",
        "firstname": "",
        "lastname": "",
        "companyName": "",
        "displayName": "",
        "email": "",
        "mobile": "",
        "address": "",
        "postalCode": "",
        "city": "",
        "countryCode": "NO",
        "vatNumber": "",
        "pricelistUid": "",
        "origin": "POS",
        "loyaltyId": "",
        "defaultStore": None,
        "credit": {"limit": 0, "balance": 0},
        "paymentTerms": 0,
        "accountManager": {"tenantUserUid": "", "displayName": "", "userCode": ""},
        "ehf": {"enabled": False, "address": ""},
        "internalNote": "",
        "relevance": 0,
        "createdAt": stamp(when),
        "lastModifiedAt": stamp(when),
        "addresses": [],
        "contacts": [],
        "consents": [],
        "extensions": [],
    }


def customer_row(record: Mapping[str, Any]) -> CustomerRow:
    """Convert the API fields of a customer to a database row."""
    return (
        record["customerUid"],
        record["externalId"] or "",
        record["createdAt"] or "",
        record["lastModifiedAt"] or "",
        msgspec.json.encode(record)[:-1],
    )


class CustomerFactory:
    """
    Create synthetic customers.

    The created customers depend on `now`, the customer numbers, and the state of the random number generator `rng`.
    """

    def __init__(self, rng: Random, now: datetime) -> None:
        self.rng = rng
        self.now = now
        self.companies: list[Record] = []
        self.external_ids: list[str] = []

    def customer(self, number: int, *, joined_within_days: float = DAYS_OF_HISTORY) -> Record:
        """
        Create the API fields of a synthetic customer.

        Parameters
        ----------
        number
            Sequential number, which is part of the uid, the email address, and other fields.
        joined_within_days
            Maximum age of the random creation date, in days.
        """
        rng = self.rng
        created = self.now - timedelta(days=rng.random() * joined_within_days)
        record = blank_customer(self._uid(number), created)
        country = self._country()
        self._fill_address(record, country)
        record["externalId"] = self._external_id(number)
        record["origin"] = rng.choice(vocabulary.ORIGINS)
        record["defaultStore"] = self._store(country)
        kind = rng.random()
        if kind < 0.92:
            self._fill_person(record, country, number)
        else:
            customer_type = "COMPANY" if kind < 0.97 else "B2B"
            self._fill_company(record, country, number, customer_type)
        if rng.random() < 0.8:
            record["loyaltyId"] = f"{7_000_000_000 + number}"
        record["consents"] = self._consents(record, created)
        if rng.random() < 0.25:
            record["internalNote"] = rng.choice(vocabulary.NOTES)
        record["lastModifiedAt"] = stamp(created + (self.now - created) * rng.random())
        return record

    def _uid(self, number: int) -> str:
        kind = self.rng.random()
        if kind < 0.40:
            return f"{number:08d}"
        if kind < 0.45:
            return f"{number:04d}"
        if kind < 0.75:
            return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        return f"cust_{number:06x}"

    def _external_id(self, number: int) -> str:
        kind = self.rng.random()
        if kind < 0.01:
            return ""
        if kind < 0.02:
            return f"{number:07d}"
        if kind < 0.0204 and self.external_ids:
            return self.rng.choice(self.external_ids)
        self.external_ids.append(f"E{100_000 + number}")
        return self.external_ids[-1]

    def _country(self) -> Country:
        mark = self.rng.random()
        for country in vocabulary.COUNTRIES:
            mark -= country.share
            if mark < 0:
                return country
        return vocabulary.COUNTRIES[0]

    def _fill_address(self, record: Record, country: Country) -> None:
        city, low, high = self.rng.choice(country.cities)
        postal_code = f"{low + int(self.rng.random() * (high - low + 1)):0{country.postal_digits}d}"
        if country.code == "SE":
            postal_code = f"{postal_code[:3]} {postal_code[3:]}"
        street = self.rng.choice(country.streets)
        record["address"] = f"{street} {1 + int(self.rng.random() * 120)}{self.rng.choice(('', '', '', ' B', ' C'))}"
        record["postalCode"] = postal_code
        record["city"] = city
        record["countryCode"] = country.code

    def _store(self, country: Country) -> Record | None:
        if self.rng.random() < 0.12:
            return None
        near = [store for store in vocabulary.STORES if store[2] in (country.code, "")]
        # The squared random number favors the first stores, so that stores have different numbers of customers.
        uid, name, _ = near[int(self.rng.random() ** 2 * len(near))]
        return {"storeUid": uid, "name": name}

    def _mobile(self, country: Country) -> str:
        return f"{country.dial}00{int(self.rng.random() * 1_000_000):06d}"

    def _name(self, country: Country) -> tuple[str, str]:
        if self.rng.random() < 0.004:
            return self.rng.choice(country.firstnames), self.rng.choice(vocabulary.AWKWARD_LASTNAMES)
        return self.rng.choice(country.firstnames), self.rng.choice(country.lastnames)

    def _fill_person(self, record: Record, country: Country, number: int) -> None:
        rng = self.rng
        firstname, lastname = self._name(country)
        record["firstname"], record["lastname"] = firstname, lastname
        record["displayName"] = f"{firstname} {lastname}"
        if rng.random() < 0.9:
            record["email"] = _email(firstname, lastname, number, rng.choice(vocabulary.MAIL_HOSTS))
        if rng.random() < 0.95:
            record["mobile"] = self._mobile(country)
        record["addresses"] = [self._address(record, "DELIVERY_ADDRESS", number)]
        if rng.random() < 0.6:
            record["addresses"].append(self._address(record, "INVOICE_ADDRESS", number))
        if rng.random() < 0.02:
            record["pricelistUid"] = "pricelist_staff"
        if rng.random() < 0.3:
            record["extensions"] = [{"extensionCode": "KLAVIYO_PROFILE_ID", "organizationUid": "org_nordic"}]

    def _fill_company(self, record: Record, country: Country, number: int, kind: str) -> None:
        rng = self.rng
        trade, forms = rng.choice(vocabulary.TRADES)
        name = rng.choice(forms).format(rng.choice(vocabulary.PLACES))
        if trade in ("hotel", "trade"):
            name = f"{name} {country.company_form}"
        record["customerType"] = kind
        record["companyName"] = record["displayName"] = name
        record["email"] = _email("innkjop", trade, number, "firma.example")
        record["mobile"] = self._mobile(country)
        record["vatNumber"] = f"{country.code}000{number:06d}"
        record["paymentTerms"] = rng.choice((14, 30, 30, 45))
        limit = rng.choice((500_000, 1_000_000, 2_500_000, 10_000_000))
        record["credit"] = {"limit": limit, "balance": int(limit * rng.random() * 0.8)}
        record["addresses"] = [self._address(record, "INVOICE_ADDRESS", number)]
        record["contacts"] = [self._contact(record, country, number, nr) for nr in range(1 + int(rng.random() * 3))]
        record["extensions"] = [{"extensionCode": "TWO_INVOICE", "organizationUid": "org_nordic"}]
        if country.code == "NO":
            record["ehf"] = {"enabled": True, "address": f"0192:000{number:06d}"}
        if rng.random() < 0.4:
            record["pricelistUid"] = rng.choice(vocabulary.PRICELISTS)
        if kind == "B2B":
            uid, display_name, code = rng.choice(vocabulary.MANAGERS)
            record["accountManager"] = {"tenantUserUid": uid, "displayName": display_name, "userCode": code}
        branch_probability = {"B2B": 0.5, "COMPANY": 0.15}[kind]
        if self.companies and rng.random() < branch_probability:
            parent = rng.choice(self.companies)
            record["customerParentUid"] = parent["customerUid"]
            record["companyName"] = record["displayName"] = f"{parent['companyName']}, avd. {record['city']}"
        elif kind == "COMPANY":
            self.companies.append(record)

    def _address(self, record: Record, kind: str, number: int) -> Record:
        copied = ("address", "postalCode", "city", "countryCode", "firstname", "lastname", "companyName", "email")
        return {
            "customerAddressUid": f"addr_{number:06x}_{kind[0].lower()}",
            "type": kind,
            "phone": record["mobile"],
            "displayName": record["displayName"],
            **{name: record[name] for name in copied},
        }

    def _contact(self, record: Record, country: Country, number: int, nr: int) -> Record:
        firstname, lastname = self._name(country)
        return {
            "customerContactUid": f"contact_{number:06x}_{nr}",
            "firstname": firstname,
            "lastname": lastname,
            "displayName": f"{firstname} {lastname}",
            "email": _email(firstname, lastname, number, "firma.example"),
            "mobile": self._mobile(country),
            "role": self.rng.choice(("ADMIN", "PURCHASER", "ACCOUNTING", "NONE")),
            "createdAt": record["createdAt"],
            "lastModifiedAt": record["createdAt"],
            "extensions": [],
        }

    def _consents(self, record: Record, created: datetime) -> list[Record]:
        consents = []
        for uid, name, asked_share, given_share in vocabulary.CONSENTS:
            if self.rng.random() < asked_share:
                probability = given_share * 0.5
                if record["loyaltyId"]:
                    probability = given_share * 1.2
                consents.append(
                    {
                        "consentUid": uid,
                        "name": name,
                        "status": self.rng.random() < probability,
                        "source": self.rng.choice(vocabulary.SOURCES),
                        "createdAt": stamp(created + (self.now - created) * self.rng.random()),
                    }
                )
        return consents


def _email(firstname: str, lastname: str, number: int, host: str) -> str:
    text = f"{firstname}.{lastname}".lower().replace("ø", "o").replace("æ", "ae")
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    local_part = "".join(letter for letter in plain if letter.isalnum() or letter in ".-")
    return f"{local_part.strip('.-')}.{number}@{host}"
