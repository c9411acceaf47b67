"""Reject customer lists with a column that states which rows are part of the list."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from frgroups.errors import ListError
from frgroups.internals.formatting import format_list, pluralize, shell_argument
from frgroups.internals.id_cells import clean_id
from frgroups.internals.redaction import repr_id
from frgroups.internals.similar_text import clean_text
from frgroups.internals.spreadsheets import Table

_MAX_SHOWN = 5

_YES_WORDS = frozenset(
    {
        *("yes", "y", "true", "ja", "j", "kyllä", "oui", "vrai", "sí", "si", "sì", "verdadero", "vero", "tak"),
        *("wahr", "sant", "sann", "x", "✓", "✔", "☑", "✅", "ok"),
    }
)
_NO_WORDS = frozenset(
    {
        *("no", "n", "false", "nei", "nej", "nein", "ei", "non", "faux", "falso", "nee", "nie", "falsch", "usant"),
        *("falskt", "✗", "✘", "☐", "❌", "-"),
    }
)
_YES_NUMBER, _NO_NUMBER = "1", "0"

_ADD_WORDS = frozenset(
    {
        *("add", "added", "join", "include", "keep", "insert", "subscribe", "opt in", "new member", "in"),
        *("legg til", "legges til", "tilføy", "behold", "beholdes", "inkluder", "inkluderes", "meld inn"),
        *("tilføj", "tilføjes", "innmelding", "lägg till", "behåll", "inkludera", "hinzufügen", "hinzu", "aufnehmen"),
        *("behalten", "lisää", "säilytä", "ajouter", "garder", "inclure", "añadir", "agregar", "mantener", "incluir"),
        *("aggiungere", "aggiungi", "includere", "toevoegen", "behouden", "opnemen", "dodaj", "dodać", "zachowaj"),
    }
)
_REMOVE_WORDS = frozenset(
    {
        *("remove", "removed", "leave", "delete", "deleted", "exclude", "excluded", "drop", "unsubscribe", "opt out"),
        *("skip", "out", "ut", "ud"),
        *("fjern", "fjernes", "slett", "slettes", "slettet", "utelat", "utelates", "ekskluder", "meld ut"),
        *("utmelding", "slet", "udelad", "ta bort", "tas bort", "radera", "exkludera", "entfernen"),
        *("löschen", "ausschließen", "raus", "poista", "poistetaan", "supprimer", "retirer", "exclure", "quitar"),
        *("eliminar", "borrar", "excluir", "rimuovere", "rimuovi", "eliminare", "escludere", "verwijderen"),
        *("uitsluiten", "usuń", "usunąć"),
    }
)

_TARGET = r"(?: (?:in|to|i|til|till|på|for|the|this|denne|group|list|campaign|\w*grupp\w*|\w*liste\w*|kampanje\w*))*"
_PLUS, _MINUS_SIGNS = "+", frozenset({"-", "\u2212", "\u2013"})
# Headers of columns in which "yes" or a mark selects a row.
_INCLUDE_HEADER = re.compile(
    r"(?:(?:skal|ska|er|är|bli|blir|ta|tas|være|vara|skal være|ska vara|skal tas|ska tas) )?med(?: i\b.*)?"
    rf"|(?:to |should |shall )?(?:be )?(?:included?|add(?:ed)?|select(?:ed)?|keep|join|in (?:group|list)){_TARGET}"
    rf"|(?:skal )?(?:inkluder(?:es|t)?|valgt|utvalgt|udvalgt|vald|utvald|legg(?:es)? til|tilføj(?:es)?){_TARGET}"
    rf"|(?:behold(?:es)?|behåll|lägg till|kryss(?: av)?|avkrysset|inkludera|mark(?:ed)?|checked|tick){_TARGET}"
    r"|ausgewählt|auswahl|auswählen|aufnehmen|hinzufügen|einbeziehen|dabei|mukaan|mukana|valittu|lisää"
    r"|inclure|inclus|sélectionné|ajouter|incluir|incluido|seleccionado|añadir|incluso|selezionato|aggiungere"
    r"|opnemen|meenemen|geselecteerd|toevoegen|wybrany|uwzględnij|dodaj"
    r"|teilnahme|teilnehmen|nimmt teil"
    r"|action|aktion|aksjon|handling|tiltak|åtgärd|toimenpide|maßnahme|acción|azione|actie|akcja"
)
# Headers of columns in which words such as "yes" select a row.
# In these columns, 0 and 1 do not select a row, because they can be status codes.
_STATUS_HEADER = re.compile("status|stato|estado|statut|tila|")
# Headers of columns in which "yes", a mark, or a date excludes a row.
_EXCLUDE_HEADER = re.compile(
    r"(?:is |er |är |to be )?(?:utgår|utgått|udgår|udgået"
    r"|remove[ds]?|delete[ds]?|exclude[ds]?|fjern(?:es|et)?|slett(?:es|et)?|utelat(?:es|t)?"
    r"|ekskluder(?:es|t)?|slet(?:tes|tet)|ta(?:s)? bort|borttagen|raderad|exkludera[sd]?|entfernen|entfernt|gelöscht"
    r"|löschen|ausschließen|ausgeschlossen|poista|poistettu|supprimer|supprimé|exclure|exclu|eliminar|eliminado"
    r"|excluir|excluido|eliminato|escluso|verwijderen|verwijderd|uitgesloten|usuń|usunięty)"
    r"(?: (?:at|on|date|dato|datum|am|le|den))?|(?:deletion|removal) date|slette ?dato|löschdatum"
    r"|(?:skal )?ikke (?:være )?med|(?:ska )?(?:inte|ej) (?:vara )?med|do not (?:include|add)|nicht (?:mit|dabei)"
)
# Header of the column that contains the arm of each customer in a table from `split_customers`.
_ARM_HEADER = "arm"
_DELETE_ROWS = "Delete this column and the rows that are not part of the list."
_CHOOSE_ARM = "Write a list that contains only the rows of one arm."
# RE2 patterns for phrases that exclude a row from the list.
_NEGATIONS = (
    r"(?:ikke|inte|ej|ikkje) (?:\pL+ )?(?:med|inkluder\pL*|denne|den här|legg\pL* til)|(?:skal|må|ska|skall) ut",
    r"fjernes|slettes|strykes|utelates|tas ut|tas bort|udelades",
    r"(?:do not|don['’]t|not to be|must not be|should not be|not) (?:be )?(?:includ|add)\pL*",
    r"(?:skip|omit|exclude|ignore) (?:this|these|him|her|them)|leave (?:this )?out",
    r"not this (?:one|customer)|(?:to|must|should) be (?:removed|deleted|excluded)",
    r"please (?:remove|delete|exclude)|remove from",
    r"nicht (?:mit|dabei|aufnehmen|hinzufügen|einbeziehen|diese[rnsm]?)|bitte (?:entfernen|löschen)",
    r"ei (?:mukaan|mukana|tätä|oteta)|poistetaan",
    r"ne pas (?:inclure|ajouter)|à (?:supprimer|exclure|retirer)|no (?:incluir|añadir)",
    r"non includere|da (?:escludere|eliminare)|niet (?:opnemen|meenemen|toevoegen)|nie (?:dodawać|uwzględniać)",
)
_NEGATION = rf"(?:^|[^\pL])(?:{'|'.join(_NEGATIONS)})(?:$|[^\pL])"


def reject_selection_columns(table: Table, position: int) -> None:
    """
    Raise ListError if a column other than the id column states that some rows are not part of the list.

    The following columns are rejected:

    - A column in which all values are words for additions or removals, such as "add" and "remove", or the signs "+"
      and "-", and the rows differ.
    - A column with a header about selection, such as "Include" or "Status", in which some rows contain "yes" or a
      mark, and other rows contain "no" or nothing.
    - A column with a header about removal, such as "Deleted", in which a row contains "yes", a mark, or a date.
    - A column in which a row contains a phrase such as "do not include".
    - A column "arm" with several values, because the arms of a split receive different treatments.

    Other columns with the values "yes" and "no" are attributes of the customers, so they are accepted.

    Parameters
    ----------
    table
        Rows of the list. The first row contains the column names.
    position
        Position of the id column.
    """
    header = table.rows[0][1]
    rows = [row for _, row in table.rows[1:] if clean_id(row[position])]
    for column, name in enumerate(header):
        if column == position:
            continue
        counts = Counter(clean_id(row[column]) for row in rows)
        if list(counts) == [""]:
            continue
        if _fold(name) == _ARM_HEADER and len(counts) > 1:
            raise _error(table, position, column, counts, _CHOOSE_ARM)
        found = _excluding_values(_fold(name), counts)
        if found:
            raise _error(table, position, column, found)


def _excluding_values(header: str, counts: Mapping[str, int]) -> Mapping[str, int]:
    """Return the row count of each value that selects or excludes rows, or {} if no value excludes a row."""
    values = pa.array(counts, type=pa.large_string())
    has_negation = pc.match_substring_regex(values, _NEGATION, ignore_case=True)
    notes = values.filter(has_negation).to_pylist()
    if notes:
        return {value: counts[value] for value in notes}
    signs = set(map(_fold, counts)) - {""}
    if _PLUS in signs and len(signs) > 1 and signs <= {_PLUS, *_MINUS_SIGNS}:
        return counts
    if _contains_only(counts, _ADD_WORDS | _REMOVE_WORDS):
        kinds = {value in _ADD_WORDS if value else None for value in map(_fold, counts)}
        return counts if len(kinds) > 1 else {}
    if _EXCLUDE_HEADER.fullmatch(header):
        return {value: n for value, n in counts.items() if _excludes(_fold(value))}
    is_status = _STATUS_HEADER.fullmatch(header) is not None
    if not is_status and not _INCLUDE_HEADER.fullmatch(header):
        return {}
    yes = _YES_WORDS if is_status else _YES_WORDS | {_YES_NUMBER}
    no = _NO_WORDS if is_status else _NO_WORDS | {_NO_NUMBER}
    return counts if _contains_only(counts, yes | no) and not yes.issuperset(map(_fold, counts)) else {}


def _contains_only(values: Iterable[str], words: Collection[str]) -> bool:
    return all(not value or _fold(value) in words for value in values)


def _excludes(value: str) -> bool:
    """Return True if a value below a header such as "Deleted" excludes the row. Short numbers except 1 are counts."""
    if value in _NO_WORDS or value in ("", _NO_NUMBER):
        return False
    return value == _YES_NUMBER or not re.fullmatch(r"[0-9]{1,4}", value)


def _error(
    table: Table, position: int, column: int, found: Mapping[str, int], action: str = _DELETE_ROWS
) -> ListError:
    header = table.rows[0][1]
    chosen = header[position]
    name = f"The column {header[column]!r}" if header[column] else f"Column {column + 1}, which has no name,"
    shown = [f"{repr_id(value) if value else 'no value'} ({pluralize(n, 'row')})" for value, n in found.items()]
    return ListError(
        f"{name} of {table.source} seems to state which rows are part of the list: {format_list(shown, _MAX_SHOWN)}. "
        f"{action}",
        hint=f"To read the ids of all rows, pass column={chosen!r}.",
        cli_hint=f"To read the ids of all rows, pass --column {shell_argument(chosen)} with --list. For other lists, "
        "delete the column.",
    )


def _fold(text: str) -> str:
    """Return text in lower case, without punctuation, and with single spaces. Symbols alone are not changed."""
    folded = clean_text(text).lower()
    return " ".join(re.findall(r"[^\W_]+", folded)) or folded
