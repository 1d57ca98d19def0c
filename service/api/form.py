"""Takes a form with a file (multipart/form-data) apart while it comes: its file is passed on, its fields are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import InvalidDatasetError

FORM_TYPE = "multipart/form-data"
FILE_FIELD = "file"
#: Everything beside the file: fields, and the headers of all parts.
MAX_FIELD_BYTES = 100_000


class FormReader:
    """Reads one file, which `write` gets in blocks, and the text fields around it.

    `feed` and `finish` raise InvalidDatasetError when the body is no such form.
    """

    def __init__(self, content_type: str, write: Callable[[bytes], object]) -> None:
        self.fields: dict[str, list[str]] = {}
        self.file_name: str | None = None
        self.file_type = ""
        self._write = write
        self._name, self._header, self._value = "", b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._field = bytearray()
        self._bytes, self._file_bytes = 0, 0
        self._has_file = self._has_ended = False
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise InvalidDatasetError("file", f"a body of {FORM_TYPE} needs a boundary in its Content-Type")
        with _readable():
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._add_to_header,
                    "on_header_value": self._add_to_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._add_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )

    def feed(self, block: bytes) -> None:
        """Read on."""
        self._bytes += len(block)
        with _readable():
            self._parser.write(block)
        if self._bytes - self._file_bytes > MAX_FIELD_BYTES + len(block):
            raise InvalidDatasetError(
                "file", f"the form holds more than {MAX_FIELD_BYTES:,} bytes beside its {FILE_FIELD}"
            )

    def finish(self) -> None:
        """Check that the form has come whole, with a file."""
        if not self._has_ended:
            raise InvalidDatasetError("file", "the form breaks off before its end")
        # A browser sends a file without name and content where none was chosen.
        if not self._has_file or (self.file_name == "" and not self._file_bytes):
            raise InvalidDatasetError(
                FILE_FIELD, "the form has no file; send it as the part `file`, as curl -F file=@FILE does"
            )

    def _begin_part(self) -> None:
        self._headers = {}
        self._field.clear()

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = _text(options.get(b"name", b""))
        if not self._name:
            raise InvalidDatasetError("file", "the form has a part without a name")
        if self._name != FILE_FIELD:
            return
        if self._has_file:
            raise InvalidDatasetError(FILE_FIELD, "the form has two files; send one")
        self._has_file = True
        self.file_name = _text(options[b"filename"]) if b"filename" in options else None
        self.file_type = self._headers.get(b"content-type", b"").decode("latin-1")

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == FILE_FIELD:
            self._file_bytes += end - start
            self._write(data[start:end])
        else:
            self._field += data[start:end]

    def _end_part(self) -> None:
        if self._name != FILE_FIELD:
            self.fields.setdefault(self._name, []).append(_text(self._field))

    def _end(self) -> None:
        self._has_ended = True


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except FormParserError as error:
        raise InvalidDatasetError("file", f"the body is not a form of {FORM_TYPE}: {error}") from error


def _text(data: bytes | bytearray) -> str:
    return data.decode(errors="replace")
