"""A file's bytes, unpacked, as table rows or JSON; a broken end loses only what is broken."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import PurePath
from typing import Any, TypeVar

from market.importers.rows import BadRow, Progress, UnknownFormat

LARGEST = 512 * 1024 * 1024
EVERY = 2000
Row = dict[str, str]
T = TypeVar("T")


def unpacked(name: str, data: bytes) -> tuple[str, bytes, list[BadRow]]:
    """The name and bytes inside a .gz, or a .zip of one file; others as they are.

    A gzip that breaks off gives what could be read, and a bad row that says so.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix == ".zip":
        return (*_unzipped(name, data), [])
    if suffix == ".gz":
        return (PurePath(name).stem, *_gunzipped(name, data))
    return name, data, []


def decoded(data: bytes) -> str:
    return data.decode("utf-8-sig", errors="replace")


def header(content: str) -> list[str]:
    """The cells of the first line; none when it is not a line of a CSV."""
    try:
        return [cell.strip() for cell in _cells(next(io.StringIO(content), ""))]
    except csv.Error:
        return []


def table(content: str, bad: list[BadRow]) -> Iterator[tuple[int, Row]]:
    """(line, row by column name) of a CSV with a header; a row of another width is bad."""
    names = header(content)
    for number, found in lines(content, 2, bad):
        if len(found) == len(names):
            yield number, dict(zip(names, found, strict=True))
        else:
            bad.append(BadRow(number, f"{len(found)} columns instead of {len(names)}"))


def lines(content: str, first: int, bad: list[BadRow]) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) from that line on; empty lines are passed over.

    Each line stands alone: a stray quotation mark costs its own line, not the rest of the file.
    """
    for number, line in enumerate(io.StringIO(content), 1):
        if number < first or not line.strip():
            continue
        try:
            yield number, _cells(line)
        except csv.Error as error:
            bad.append(BadRow(number, f"not a CSV line: {error}"))


def _cells(line: str) -> list[str]:
    line = line.rstrip("\r\n")
    return line.split(",") if '"' not in line else next(csv.reader([line], strict=True), [])


def watched(rows: Sequence[T], progress: Progress | None) -> Iterator[T]:
    """The rows, telling `progress` (done, in all) every few thousand and at the end."""
    for done, row in enumerate(rows, 1):
        yield row
        if progress is not None and (done % EVERY == 0 or done == len(rows)):
            progress(done, len(rows))


def document(name: str, content: str) -> Any:
    """The JSON value, its numbers exact; UnknownFormat where it breaks."""
    try:
        return json.loads(content, parse_float=Decimal, parse_int=Decimal)
    except ValueError as error:
        raise UnknownFormat(f"{name}: not complete JSON: {error}") from error


def _unzipped(name: str, data: bytes) -> tuple[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            if len(members) != 1:
                found = ", ".join(each.filename for each in members) or "nothing"
                raise UnknownFormat(f"{name}: must hold one file, but holds {found}; unpack it.")
            _require_size(name, members[0].file_size)
            return members[0].filename, archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error) as error:
        raise UnknownFormat(f"{name}: not readable as zip: {error}") from error


def _gunzipped(name: str, data: bytes) -> tuple[bytes, list[BadRow]]:
    content = bytearray()
    with gzip.open(io.BytesIO(data)) as stream:
        try:
            while chunk := stream.read1(1 << 20):
                content += chunk
                _require_size(name, len(content))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            if not content:
                raise UnknownFormat(f"{name}: not readable as gzip: {error}") from error
            line = content.count(b"\n") + 1
            return bytes(content), [BadRow(line, f"the file breaks off: {error}")]
    return bytes(content), []


def _require_size(name: str, size: int) -> None:
    if size > LARGEST:
        raise UnknownFormat(f"{name}: {size} bytes unpacked; at most {LARGEST} are read.")
