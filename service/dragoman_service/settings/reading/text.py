"""Text that people and programs of any system wrote: byte order marks and line ends are not part of it."""

from __future__ import annotations

import codecs

_MARK = "\ufeff"
_ENCODINGS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def decode_text(content: bytes) -> str:
    """The text in `content`: UTF-8, or UTF-16 with a byte order mark, as PowerShell writes it.

    The mark is left out and each CR LF becomes LF. Raises UnicodeDecodeError.
    """
    mark, encoding = next((one for one in _ENCODINGS if content.startswith(one[0])), (b"", "utf-8"))
    return content[len(mark) :].decode(encoding).replace("\r\n", "\n")


def trim(text: str) -> str:
    """The value of a variable or the only line of a file, without a byte order mark and white space around it.

    `docker run --env-file` and `. file` keep the CR of a file with CR LF.
    """
    return text.strip().removeprefix(_MARK).strip()
