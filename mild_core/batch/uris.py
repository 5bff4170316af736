"""URIs of object storage: their parts, paths below them, and what of them may be shown."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

__all__ = ["Uri", "is_uri", "parse_uri"]

SHOWN = ("endpoint_override", "region", "scheme")  # options that are no secret; of all others nothing is said
NAMED_BEFORE_AT = ("abfs", "abfss", "gs", "gcs", "hdfs")  # before @ stands a container or a user; for s3 it is a key


class Uri(NamedTuple):
    """scheme://host/path?options"""

    scheme: str
    host: str  # a bucket, container or server, with what may stand before @
    path: str  # decoded, without a / at either end
    options: str  # what follows ?, as it was given

    @property
    def text(self) -> str:
        """The URI, its path encoded."""
        path = f"/{quote(self.path)}" if self.path else ""
        return f"{self.scheme}://{self.host}{path}" + (f"?{self.options}" if self.options else "")

    @property
    def shown(self) -> str:
        """The same without password and keys, and with only those options that are none."""
        user, at, host = self.host.rpartition("@")
        user = user.partition(":")[0] if self.scheme in NAMED_BEFORE_AT else ""
        known = [(name, value) for name, value in parse_qsl(self.options) if name in SHOWN and "@" not in value]
        kept = Uri(self.scheme, f"{user}{at}{host}" if user else host, self.path, urlencode(known, safe=":/"))
        return kept.text

    def betrayed_by(self, message: str) -> bool:
        """Whether a message holds a password or a key of this URI."""
        user, _, _ = self.host.rpartition("@")
        name, _, password = user.partition(":")
        values = [value for option, value in parse_qsl(self.options) if option not in SHOWN or "@" in value]
        secret = [password, "" if self.scheme in NAMED_BEFORE_AT else name, *values]
        return any(text in message for text in secret if text)

    def below(self, name: str) -> Uri:
        """The same storage, `name` added to the path."""
        return self._replace(path=f"{self.path}/{name}" if self.path and name else self.path or name)


def is_uri(text: str) -> bool:
    """Whether it names a storage, rather than a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def parse_uri(text: str) -> Uri:
    """The parts of a URI. Its path may be encoded or written as it is: a % that encodes nothing is one."""
    scheme, _, rest = text.partition("://")
    rest, _, options = rest.partition("?")
    host, _, path = rest.partition("/")
    return Uri(scheme.lower(), host, unquote(path).strip("/"), options)
