"""Names, places and other words for the synthetic tenant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Country:
    """Names, places and number formats of a country."""

    code: str
    share: float
    firstnames: tuple[str, ...]
    lastnames: tuple[str, ...]
    streets: tuple[str, ...]
    # City, lowest and highest postal code.
    cities: tuple[tuple[str, int, int], ...]
    postal_digits: int
    # Generated numbers have 00 after this country code, because no assigned mobile number starts with 00.
    dial: str
    company_form: str


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COUNTRIES = (
    Country(
        "NO",
        0.60,
        _words(
            "Ingrid Nora Emma Ida Sofie Maja Solveig Astrid Liv Kari Berit Synnøve Åse Ragnhild Tuva Jakob Lars Ole"
            " Håkon Øyvind Sindre Magnus Bjørn Pål Åsmund Eirik Torbjørn Kjell-Arne Anne-Marte Jørgen"
        ),
        _words(
            "Hansen Johansen Olsen Larsen Andersen Pedersen Nilsen Kristiansen Bakken Haugen Moen Sæther Bø Ødegård"
            " Strand Lunde Myhre Aasen Grønning Fjeld Rød Tveit Næss Skogstad-Lie Åmot"
        ),
        _words(
            "Storgata Kirkeveien Fjellveien Skolegata Åsveien Bjørkelia Løypeveien Strandgata Elvebakken Øvregate"
        ),
        (
            ("Oslo", 150, 988),
            ("Bergen", 5003, 5098),
            ("Trondheim", 7010, 7089),
            ("Stavanger", 4005, 4098),
            ("Tromsø", 9006, 9019),
            ("Bodø", 8003, 8092),
            ("Ålesund", 6002, 6025),
            ("Lillehammer", 2609, 2629),
            ("Sandvika", 1336, 1341),
            ("Drammen", 3015, 3048),
        ),
        4,
        "+47",
        "AS",
    ),
    Country(
        "SE",
        0.22,
        _words(
            "Alice Maja Elsa Astrid Saga Linnéa Åsa Märta Ebba Karin Oskar Lukas Elias Göran Sören Björn Anders Håkan"
            " Jörgen Måns Frida Anna-Karin"
        ),
        _words(
            "Andersson Johansson Karlsson Nilsson Eriksson Lindström Bergström Sjöberg Öberg Åkesson Björk Nyström"
            " Holmqvist Löfgren Hägg Sandström Ängström"
        ),
        _words("Storgatan Kungsgatan Skidvägen Björkgatan Ängsvägen Åsgatan Hamngatan Idrottsvägen Östra-Långgatan"),
        (
            ("Stockholm", 11120, 11864),
            ("Göteborg", 41101, 41879),
            ("Malmö", 21119, 21777),
            ("Umeå", 90320, 90755),
            ("Östersund", 83131, 83172),
            ("Örebro", 70210, 70385),
            ("Växjö", 35230, 35263),
            ("Åre", 83013, 83015),
        ),
        5,
        "+46",
        "AB",
    ),
    Country(
        "DK",
        0.10,
        _words("Freja Ida Clara Sørine Kirsten Bodil Åse Maren Mads Søren Jørgen Asger Bjarke Frederik Rasmus Ægir"),
        _words("Jensen Nielsen Sørensen Rasmussen Jørgensen Møller Kjær Østergaard Nørgaard Skovgård Friis Bæk"),
        _words("Algade Østergade Nørrebrogade Skovvej Søndergade Åboulevarden Strandvejen Bøgevej"),
        (
            ("København", 1050, 2200),
            ("Aarhus", 8000, 8270),
            ("Odense", 5000, 5270),
            ("Aalborg", 9000, 9220),
            ("Helsingør", 3000, 3000),
            ("Tønder", 6270, 6270),
        ),
        4,
        "+45",
        "ApS",
    ),
    Country(
        "FI",
        0.08,
        _words("Aino Helmi Päivi Äänikki Sirkka Kaisa Väinö Eino Juhani Mikko Jyrki Tuomas Yrjö Satu Riikka Åke"),
        _words("Korhonen Virtanen Mäkinen Nieminen Mäkelä Hämäläinen Heikkinen Järvinen Lehtonen Nyström Hyvönen"),
        _words("Mannerheimintie Hämeenkatu Koulutie Rantatie Myllykatu Hiihtäjäntie Pähkinäpolku"),
        (
            ("Helsinki", 100, 990),
            ("Tampere", 33100, 33900),
            ("Turku", 20100, 20960),
            ("Oulu", 90100, 90670),
            ("Jyväskylä", 40100, 40950),
            ("Rovaniemi", 96100, 96960),
            ("Järvenpää", 4400, 4480),
        ),
        5,
        "+358",
        "Oy",
    ),
)

# Names that break pages, spreadsheets and CSV files without escaping.
AWKWARD_LASTNAMES = (
    "<b>Fjell</b>",
    "=SUM(A1:A9)",
    "O'Brien",
    'Bakken "Bakka" Lie',
    "Strand, f. Bø",
    "+4700000000",
    "-1+1",
    "@Hansen",
    "Åse & Øyvind",
    "  Lunde ",
    "<script>alert(1)</script>",
)

# Uid, name and country of each store.
STORES = (
    ("store_oslo", "Nordic Sport Oslo City", "NO"),
    ("store_sandvika", "Nordic Sport Sandvika", "NO"),
    ("store_bergen", "Nordic Sport Bergen", "NO"),
    ("store_trondheim", "Nordic Sport Trondheim", "NO"),
    ("store_tromso", "Nordic Sport Tromsø", "NO"),
    ("store_lillehammer", "Nordic Sport Lillehammer", "NO"),
    ("store_alesund", "Nordic Sport Ålesund", "NO"),
    ("0201", "Nordic Sport Stockholm", "SE"),
    ("0202", "Nordic Sport Göteborg", "SE"),
    ("0203", "Nordic Sport Åre", "SE"),
    ("0301", "Nordic Sport København", "DK"),
    ("0302", "Nordic Sport Aarhus", "DK"),
    ("0401", "Nordic Sport Helsinki", "FI"),
    ("store_web", "Nordic Sport Nettbutikk", ""),
)

# Trade, and patterns for the names of its companies.
TRADES = (
    ("club", ("{} idrettslag", "{} IL", "{} IF", "{} skiklubb")),
    ("school", ("{} skole", "{} skola", "{} videregående")),
    ("public", ("{} kommune", "{} kommun", "{} fylke")),
    ("hotel", ("Hotell {}", "{} Spa & Resort", "{} fjellstue")),
    ("trade", ("{} bygg", "{} Maskin", "{}, Søn & Co")),
)
PLACES = _words(
    "Fjellheim Nordmo Bjørkåsen Vika Solberg Elvestad Åsgård Granlia Øyer Myrdal Storås Sjøberg Lövåsen Kajaani"
    " Brattli Tindvik Skarstad Hovde"
)

CONSENTS = (
    ("consent_newsletter", "Nyhetsbrev på e-post", 0.92, 0.58),
    ("consent_sms", "SMS", 0.80, 0.36),
    ("consent_profiling", "Profilering", 0.70, 0.45),
)
ORIGINS = ("POS", "POS", "POS", "WEB", "WEB", "IMPORT", "LOYALTY_APP")
SOURCES = ("POS", "WEB", "IMPORT", "MY_PAGES")
MAIL_HOSTS = ("example.com", "example.org", "example.net", "post.example", "epost.example")
MANAGERS = (("user_101", "Kåre Sæther", "KS"), ("user_102", "Linnéa Öberg", "LÖ"), ("user_103", "Mette Kjær", "MK"))
PRICELISTS = ("pricelist_b2b", "pricelist_club", "0700")
NOTES = (
    "Ønsker å bli kontaktet på e-post før levering, ikke på telefon. Har handlet hos oss siden butikken åpnet.",
    "Fakturaen skal merkes med navnet på den som bestiller. Se avtalen fra i fjor for rabatt på langrennsutstyr.",
    "Skistørrelse 192, skostørrelse 43; liker Fischer. Spurte om test av rulleski til våren.",
    "Ring först; hämtar själv i butiken. Vill ha påminnelse när säsongens skidvalla har kommit.",
    "Reklamation på støvler er afsluttet. Kunden fik nye støvler og er tilfreds med behandlingen.",
    'Betalte kontant: 1 299,50; "kvittering" sendt; =HYPERLINK("x") stod i feltet fra før importen.',
)
