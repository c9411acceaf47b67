"""Names, places, and other words for the synthetic tenant, read from vocabulary.toml."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import msgspec


@dataclass(frozen=True, slots=True)
class Country:
    """Names, places, and number formats of a country."""

    code: str
    share: float
    firstnames: tuple[str, ...]
    lastnames: tuple[str, ...]
    streets: tuple[str, ...]
    # Name, lowest postal code, and highest postal code of each city.
    cities: tuple[tuple[str, int, int], ...]
    postal_digits: int
    # Generated phone numbers have 00 after this country code, because no assigned mobile number starts with 00.
    dial: str
    company_form: str


class _Vocabulary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of vocabulary.toml."""

    countries: tuple[Country, ...]
    awkward_lastnames: tuple[str, ...]
    stores: tuple[tuple[str, str, str], ...]
    trades: tuple[tuple[str, tuple[str, ...]], ...]
    places: tuple[str, ...]
    consents: tuple[tuple[str, str, float, float], ...]
    origins: tuple[str, ...]
    sources: tuple[str, ...]
    mail_hosts: tuple[str, ...]
    managers: tuple[tuple[str, str, str], ...]
    pricelists: tuple[str, ...]
    notes: tuple[str, ...]


_words = msgspec.toml.decode(files("frgroups.sandbox").joinpath("vocabulary.toml").read_bytes(), type=_Vocabulary)

COUNTRIES = _words.countries
AWKWARD_LASTNAMES = _words.awkward_lastnames
STORES = _words.stores
TRADES = _words.trades
PLACES = _words.places
CONSENTS = _words.consents
ORIGINS = _words.origins
SOURCES = _words.sources
MAIL_HOSTS = _words.mail_hosts
MANAGERS = _words.managers
PRICELISTS = _words.pricelists
NOTES = _words.notes
