"""Split cells of an id column into ids and words, and hide words that might be names."""

from __future__ import annotations

import re

# Characters that programs display instead of the hidden characters of a masked value.
MASK_CHARACTERS = "*\u2217\u204e\u2731\u2022\u25cf\u25cb\u25e6\u25aa\u25a0\u2588\u2591\u2592\u2593\u00d7\u00b7\u2027"

# Names and abbreviations of the months in English, German, Dutch, the Nordic languages, Estonian, French, Italian,
# Spanish, Portuguese, Polish, Czech, and Russian.
# Spreadsheet programs use these names in cells that they have converted to dates.
_MONTH = (
    "jan|january|januar|januari|janúar|janv|janvier|jän|jänner|tammi|tammikuu|jaan"
    "|gen|gennaio|ene|enero|janeiro|sty|stycznia|styczeń|led|leden|ledna|янв|января|январь"
    "|feb|february|februar|februari|febrúar|fév|févr|fev|fevr|février|helmi|helmikuu|veebr"
    "|febbraio|febrero|fevereiro|lut|luty|lutego|úno|únor|února|фев|февр|февраля|февраль"
    "|mar|march|mars|marts|maart|mrt|mär|märz|mrz|maalis|maaliskuu|märts"
    "|marzo|março|marca|marzec|bře|březen|března|мар|марта|март"
    "|apr|april|apríl|avr|avril|huhti|huhtikuu"
    "|aprile|abr|abril|kwi|kwiecień|kwietnia|dub|duben|dubna|апр|апреля|апрель"
    "|may|mai|maj|mei|maí|touko|toukokuu"
    "|mag|maggio|mayo|maio|maja|kvě|květen|května|май|мая"
    "|jun|june|juni|jún|júní|juin|kesä|kesäkuu|juuni"
    "|giu|giugno|junio|junho|cze|czerwca|czerwiec|čvn|červen|června|июн|июня|июнь"
    "|jul|july|juli|júl|júlí|juil|juillet|heinä|heinäkuu|juuli"
    "|lug|luglio|julio|julho|lip|lipca|lipiec|čvc|červenec|července|июл|июля|июль"
    "|aug|august|augusti|augustus|ágú|ágúst|août|aout|elo|elokuu"
    "|ago|agosto|sie|sierpnia|sierpień|srp|srpen|srpna|авг|августа|август"
    "|sep|sept|september|septembre|syys|syyskuu"
    "|set|settembre|septiembre|setembro|wrz|września|wrzesień|zář|září|сен|сент|сентября|сентябрь"
    "|oct|october|okt|oktober|október|octobre|loka|lokakuu"
    "|ott|ottobre|octubre|out|outubro|paź|października|październik|říj|říjen|října|окт|октября|октябрь"
    "|nov|november|nóv|nóvember|novembre|marras|marraskuu"
    "|noviembre|novembro|lis|listopada|listopad|ноя|нояб|ноября|ноябрь"
    "|dec|december|dez|dezember|des|desember|déc|décembre|joulu|joulukuu|dets"
    "|dic|diciembre|dicembre|dezembro|gru|grudnia|grudzień|pro|prosinec|prosince|дек|декабря|декабрь"
)
# Day 0 is included, because Excel displays the number 0 as day 0 of January 1900.
_DAY_NUMBER, _MONTH_NUMBER = "(?:0?[0-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])"
_YEAR = "(?:(?:19|20)?[0-9]{2})"
DATE = (
    rf"(?:(?:19|20)[0-9]{{2}}[-/.]{_MONTH_NUMBER}[-/.]{_DAY_NUMBER}"
    rf"|{_DAY_NUMBER}[-/.]{_MONTH_NUMBER}[-/.]{_YEAR}|{_MONTH_NUMBER}/{_DAY_NUMBER}/{_YEAR}"
    rf"|{_DAY_NUMBER}\.{_MONTH_NUMBER}\."
    rf"|{_DAY_NUMBER}[-/. ]{{1,2}}(?:{_MONTH})\.?(?:[-/. ]{{1,2}}{_YEAR})?"
    rf"|(?:{_MONTH})\.?[-/. ]{{1,2}}{_YEAR}|(?:{_MONTH})\.?[-/. ]{_DAY_NUMBER}(?:,? {_YEAR})?"
    f"|(?:{_YEAR}\u5e74)?{_MONTH_NUMBER}\u6708(?:{_DAY_NUMBER}\u65e5)?)"
)
# A date that consists of two numbers, such as a day and a month.
# Ids such as 1-2 have the same form.
# Therefore, values that match this pattern are not rejected.
# The pattern is only used to explain why the format of an id is unusual.
SHORT_DATE = f"{_DAY_NUMBER}[-/.]{_MONTH_NUMBER}|{_MONTH_NUMBER}[-/.](?:{_DAY_NUMBER}|(?:19|20)[0-9]{{2}})"
TIME = r"(?:[01]?[0-9]|2[0-3])(?::[0-5][0-9]){1,2}(?:[.,][0-9]+)?(?: ?[ap]\.?m\.?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"

# These characters separate an id from a word or from another id in the same cell.
# Non-ASCII symbols are also separators, except for dashes and apostrophes, because names can contain them.
_SEPARATORS = r"(?:[\s,;:|/()<>\[\]{}=]|[^\x00-\x7f\w\u2010-\u2015\u2018\u2019\u2212])"
# A dash, an apostrophe, "_", or "." after a digit separates an id from words, as in "1001-Ola-Nordmann" and
# "1001.O.Nordmann".
# A single letter after a dash, such as the A in "1001-A", is probably part of the id.
# Therefore, at least one of the words must have two or more letters.
_DASH, _LETTERS = r"[-\u2013\u2014_.']", r"[^\W\d_]"
_WORDS = rf"(?:{_LETTERS}+{_DASH}+)*{_LETTERS}{{2,}}(?:{_DASH}+{_LETTERS}+)*{_DASH}*"
_BETWEEN_PARTS = re.compile(rf"({_SEPARATORS}+|(?<=\d){_DASH}+(?={_WORDS}(?:{_SEPARATORS}|\Z)))")


def split_parts(cell: str) -> list[str]:
    """
    Split a cell into ids and words. The list items with an odd index are separators.

    Examples
    --------
    >>> split_parts("1001 Ola"), split_parts("1001-Ola"), split_parts("c-1"), split_parts("ola-02")
    (['1001', ' ', 'Ola'], ['1001', '-', 'Ola'], ['c-1'], ['ola-02'])
    """
    return _BETWEEN_PARTS.split(cell)


def hide_words(text: str) -> str:
    """
    Replace each word next to an id or another word with an ellipsis, because the word can be a customer's name.

    Dates, such as "02.jan", and single words do not change.

    Examples
    --------
    >>> hide_words("1001 Ola Nordmann"), hide_words("1001-Ola"), hide_words("c-1 (Ola)"), hide_words("Slutt")
    ('1001 … …', '1001-…', 'c-1 (…)', 'Slutt')
    >>> hide_words("Ola Nordmann")
    '… …'
    """
    parts = split_parts(text)
    if len(parts) == 1 or not re.search(r"[\d\s]", text) or re.fullmatch(DATE, text, re.IGNORECASE):
        return text
    return "".join(
        "…" if n % 2 == 0 and part and not re.search(r"\d", part) else part for n, part in enumerate(parts)
    )
