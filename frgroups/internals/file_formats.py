"""Recognize the format of a file by its content, and reject files other than text files and .xlsx workbooks."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from frgroups.errors import ListError
from frgroups.internals.text_encodings import find_wide_encoding
from frgroups.internals.workbooks import OLD_WORKBOOK_SIGNATURE, ZIP_SIGNATURE

_WORKBOOK_SUFFIXES = frozenset({".xlsx", ".xlsm", ".xltx", ".xltm"})
_OTHER_WORKBOOK_SUFFIXES = frozenset({".xls", ".xlsb", ".xlt", ".ods"})
_TEXT_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".txt"})

_SAVE = "Save the list as .xlsx or CSV UTF-8."
_OPEN = "Open the file, copy the ids to a spreadsheet, and save it as .xlsx or CSV UTF-8."
_EXTRACT = "Extract the list from the file, and pass the list."

_DOCUMENTS = {
    b"%PDF-": "a PDF document",
    b"{\\rtf": "a rich text document (.rtf)",
    b"%!PS": "a PostScript document",
    b"BEGIN:VCARD": "a contact file (.vcf)",
}
_ARCHIVES = {
    b"\x1f\x8b": "a compressed file (.gz)",
    b"\xfd7zXZ\0": "a compressed file (.xz)",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "a compressed file (.zst)",
}
_PICTURES = {
    b"\x89PNG\r\n\x1a\n": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
}
_TABLES = {
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3\0": "an SQLite database",
    # Excel 2 to 4 wrote workbooks that start with these bytes.
    **{bytes((9, version, size, 0)): "an .xls workbook" for version in (0, 2, 4, 8) for size in (4, 6, 8, 16)},
}
_BZIP2 = re.compile(rb"BZh[1-9]1AY&SY")
# Start of a file name in the ZIP archive, name of the document format, and action for the user.
_ZIP_PARTS = (
    ("word/", "a Word document (.docx)", _OPEN),
    ("ppt/", "a PowerPoint presentation (.pptx)", _OPEN),
    ("xl/workbook.bin", "a binary Excel workbook (.xlsb)", _SAVE),
    ("Index/", "an Apple Numbers or Pages document", _SAVE),
)
_OPEN_DOCUMENTS = {
    "spreadsheet": ("an OpenDocument spreadsheet (.ods)", _SAVE),
    "text": ("an OpenDocument text document (.odt)", _OPEN),
    "presentation": ("an OpenDocument presentation (.odp)", _OPEN),
}
# Formats of files that start with OLD_WORKBOOK_SIGNATURE: name of a stream in the file, name of the format, and
# action for the user.
_OLD_STREAMS = (
    ("EncryptedPackage", "an Office file that is protected with a password", "Save it without a password as .xlsx."),
    ("WordDocument", "a Word document (.doc)", _OPEN),
    ("PowerPoint Document", "a PowerPoint presentation (.ppt)", _OPEN),
    ("__properties_version1", "an Outlook message (.msg)", _OPEN),
    ("Workbook", "an .xls workbook", _SAVE),
    ("Book", "an .xls workbook", _SAVE),
)
_SYLK = re.compile(rb"ID;P[^\r\n]*[\r\n](?:.*[\r\n])?E[\r\n]*\Z", re.DOTALL)
_XML_SPREADSHEET = b"urn:schemas-microsoft-com:office:spreadsheet"


def reject_other_formats(body: bytes, source: Path) -> None:
    """
    Raise ListError if a file is neither text nor an .xlsx workbook, or if its suffix does not match its content.

    The format is determined by the content of the file, because a user can rename a file without converting it.

    Examples
    --------
    >>> reject_other_formats(b"%PDF-1.7", Path("list.csv"))
    Traceback (most recent call last):
    frgroups.errors.ListError: list.csv is a PDF document, not a CSV file or an .xlsx workbook. Open the file, ...
    """
    found = _other_format(body)
    if found:
        name, action = found
        raise ListError(f"{source} is {name}, not a CSV file or an .xlsx workbook. {action}")
    suffix = source.suffix.lower()
    if body.startswith(ZIP_SIGNATURE):
        if suffix in _TEXT_SUFFIXES | _OTHER_WORKBOOK_SUFFIXES:
            raise ListError(
                f"{source} is an .xlsx workbook, although its name ends with {suffix}. Change the end of the name to "
                ".xlsx, or save the workbook as CSV UTF-8."
            )
    elif suffix in _WORKBOOK_SUFFIXES | _OTHER_WORKBOOK_SUFFIXES:
        content = "is a text file" if body else "is empty"
        raise ListError(
            f"{source} {content} and not a valid Excel workbook, although its name ends with {suffix}. If it is a "
            "CSV file, change the end of the name to .csv. Otherwise, save the workbook again as .xlsx."
        )


def _other_format(body: bytes) -> tuple[str, str] | None:
    """Return the name of an unsupported format and the action for the user, or None for a supported format."""
    if body.startswith(OLD_WORKBOOK_SIGNATURE):
        return _old_office_format(body)
    if body.startswith(ZIP_SIGNATURE):
        return _zip_format(body)
    wide_encoding = find_wide_encoding(body)
    if wide_encoding is None:
        text = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    else:
        text = body.decode(wide_encoding, errors="replace").removeprefix("\ufeff").lstrip().encode()
    for signatures, action in ((_DOCUMENTS, _OPEN), (_ARCHIVES, _EXTRACT), (_PICTURES, _OPEN), (_TABLES, _SAVE)):
        name = _name_by_signature(body, text, signatures.items())
        if name:
            return name, action
    if _BZIP2.match(body):
        return "a compressed file (.bz2)", _EXTRACT
    if _SYLK.match(text):
        return "a SYLK spreadsheet (.slk)", _SAVE
    return _markup_format(text)


def _name_by_signature(body: bytes, text: bytes, signatures: Iterable[tuple[bytes, str]]) -> str:
    for signature, name in signatures:
        # A text file can start with an id that is equal to a signature, such as "PAR1".
        # Therefore, a signature of letters and digits is recognized only in a file with a null character, which text
        # files do not contain.
        is_word = signature.isalnum()
        if is_word and not (body.startswith(signature) and b"\0" in body):
            continue
        if text.startswith(signature) or body.startswith(signature):
            return name
    return ""


def _old_office_format(body: bytes) -> tuple[str, str]:
    for stream, name, action in _OLD_STREAMS:
        if stream.encode("utf-16-le") in body:
            return name, action
    action = "Save it as .xlsx without a password, or as CSV UTF-8."
    return "an .xls workbook or a file that is protected with a password", action


def _zip_format(body: bytes) -> tuple[str, str] | None:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as parts:
            names = parts.namelist()
            mimetype = parts.read("mimetype")[:100].decode(errors="replace") if "mimetype" in names else ""
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        # The file is damaged, encrypted, or compressed in an unknown way.
        # `read_workbook` later raises the error for such a file.
        return None
    for kind, found in _OPEN_DOCUMENTS.items():
        if f"opendocument.{kind}" in mimetype:
            return found
    for start, name, action in _ZIP_PARTS:
        if any(part.startswith(start) for part in names):
            return name, action
    if not any(part.startswith("xl/") for part in names):
        return "a ZIP archive", _EXTRACT
    return None


def _markup_format(text: bytes) -> tuple[str, str] | None:
    """Return the format of a text file that contains markup instead of a table."""
    start = text[:5000]
    if start[:1] in (b"{", b"["):
        return "a JSON file", _SAVE
    if start[:1] != b"<":
        return None
    if _XML_SPREADSHEET in start:
        return "an XML spreadsheet of Excel 2003", _SAVE
    if re.match(rb"<(?:!doctype html|html|head|body|meta|table|style|div)\b", start, re.IGNORECASE):
        return "an HTML page", _OPEN
    return "an HTML or XML file", _OPEN
