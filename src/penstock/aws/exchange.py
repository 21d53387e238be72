"""One HTTP exchange as values: where it goes, what is sent, within which limits, what came back."""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import msgspec

from penstock.model.errors import ConfigurationError

DEFAULT_PORT_BY_SCHEME = {"http": 80, "https": 443}
SUCCESS_STATUSES = range(200, 300)
Headers = tuple[tuple[str, str], ...]

HEAD_END = b"\r\n\r\n"
_STATUS_AT = len("HTTP/1.1 ")
_SENDABLE = re.compile(r"[!-~]+")  # what a request line can hold; the rest must be percent-encoded


class Origin(msgspec.Struct, frozen=True, cache_hash=True):
    """A server: connections are pooled by it.

    Attributes:
        scheme: ``http`` or ``https``.
        host: Lower case; an IPv6 address without brackets.
    """

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port == DEFAULT_PORT_BY_SCHEME[self.scheme]:
            return host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Endpoint(msgspec.Struct, frozen=True):
    """An origin, and the path below which a service lives there.

    Attributes:
        path: Without a slash at its end; usually empty.
        proxy: URL of the HTTP proxy that leads there; None: straight.
    """

    origin: Origin
    path: str = ""
    proxy: str | None = None


def parse_endpoint(url: str, *, named_by: str) -> Endpoint:
    """Read an endpoint's URL.

    Args:
        url: ``http[s]://host[:port][/path]``.
        named_by: The setting it came from, for the error.

    Raises:
        ConfigurationError: Not of that form.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise ConfigurationError(f"{named_by}: {url!r} is not a URL: {exc}") from exc
    if "@" in parts.netloc:  # not shown: it is a password
        raise ConfigurationError(f"{named_by}: an endpoint takes no user or password in its URL")
    is_plain = not (parts.query or parts.fragment or port == 0) and _SENDABLE.fullmatch(url)
    if not is_plain or not parts.hostname or parts.scheme not in DEFAULT_PORT_BY_SCHEME:
        raise ConfigurationError(
            f"{named_by}: {url!r} is not an endpoint; the form is http[s]://HOST[:PORT][/PATH]"
        )
    origin = Origin(parts.scheme, parts.hostname, port or DEFAULT_PORT_BY_SCHEME[parts.scheme])
    return Endpoint(origin, parts.path.rstrip("/"))


class HttpRequest(msgspec.Struct, frozen=True):
    """A request.

    Attributes:
        target: Path and query, percent-encoded, as they go over the wire.
        headers: Host included; values are free of line breaks. Of a signed request without what
            its signing added.
        head: The whole head as it goes over the wire, where the signer wrote it already.
    """

    method: str
    target: str
    headers: Headers
    body: bytes = b""
    head: bytes = b""

    def encode_head(self) -> bytes:
        """Write the request line and the headers, with Content-Length."""
        if self.head:
            return self.head
        head = write_head(self.method, self.target, self.headers)
        return f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode("latin-1")

    def sent_headers(self) -> Headers:
        """Read back the headers that go over the wire, without Content-Length."""
        headers = [_split_header(line) for line in self.encode_head().split(b"\r\n")[1:-3]]
        return tuple([(name.decode(), text.decode("latin-1")) for name, text in headers])


def write_head(method: str, target: str, headers: Headers) -> str:
    """Write a request line and headers."""
    lines = [f"{name}: {text}\r\n" for name, text in headers]
    return f"{method} {target} HTTP/1.1\r\n{''.join(lines)}"


class HttpResponse(msgspec.Struct, frozen=True):
    """A complete answer.

    Attributes:
        head: As it came, status line and headers; heads of interim answers may stand before it,
            and anything behind it. It is taken apart only when it is asked for.
    """

    status: int
    head: bytes
    body: bytes

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Give the headers in the order in which they came; names in any case."""
        return tuple(_read_headers(self.head))

    def find_headers(self, wanted: "WantedHeaders") -> dict[bytes, bytes]:
        """Give those that are wanted and there, by their names in lower case; the first counts."""
        found = wanted.pattern.findall(self.head, *_place_of_headers(self.head))
        return {name.lower(): text.rstrip(b" \t") for name, text in reversed(found)}

    def header(self, name: str) -> str | None:
        """Give the first header of that name, in any case."""
        wanted = name.lower().encode()
        for header_name, text in _read_headers(self.head):
            if header_name.lower() == wanted:
                return text.decode("latin-1")
        return None


class WantedHeaders:
    """A few headers that are found in a head by one search.

    Args:
        names: In lower case.
    """

    def __init__(self, *names: str) -> None:
        alternatives = "|".join([re.escape(name) for name in names])
        text = rf"\r\n({alternatives}):[ \t]*([^\r\n]*)"
        self.pattern = re.compile(text.encode(), re.IGNORECASE)


def _place_of_headers(head: bytes) -> tuple[int, int]:
    """Find the headers of the final answer in what the parser has found to be well-formed."""
    start = 0
    while True:
        while head.startswith((b"\r", b"\n"), start):  # servers may send blank lines before
            start += 1
        end = head.find(HEAD_END, start)
        if head[start + _STATUS_AT : start + _STATUS_AT + 1] != b"1":
            return start, end
        start = end + len(HEAD_END)  # behind an interim answer (100 Continue)


def _read_headers(head: bytes) -> list[tuple[bytes, bytes]]:
    start, end = _place_of_headers(head)
    return [_split_header(line) for line in head[start:end].split(b"\r\n")[1:]]


def _split_header(line: bytes) -> tuple[bytes, bytes]:
    name, _, text = line.partition(b":")
    return name, text.strip(b" \t")


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long each phase of an exchange may take, in seconds; connecting is the transport's.

    Attributes:
        pool_s: Until one of the bounded connections is free.
        write_s: Between two pieces that the server takes of a large request.
        first_byte_s: From the request's last byte to the answer's first.
        body_s: Between two pieces of the answer.
        total_s: From the request's first byte to the answer's last.
    """

    pool_s: float = 10.0
    write_s: float = 10.0
    first_byte_s: float = 10.0
    body_s: float = 10.0
    total_s: float = 30.0


class ExchangeRules(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every exchange of one operation.

    Attributes:
        is_idempotent: It may be sent twice; only then anything is retried.
        attempts_max: How often an idempotent call is tried in all; 1: only a kept connection that
            turns out to be closed is replaced.
        is_long: It holds its connection for long (a long poll, an invocation), so it takes one of
            its own and never one that short calls wait for.
        answer_bytes_max: Bound of the answer's body.
        admit: Waits until there is room for an answer of so many bytes. Only for one of success
            (2xx): an error is told at once. Awaited once, when the answer's head is there and
            before more of its body is read: with its Content-Length, or with ``answer_bytes_max``
            where it has none (an answer that came in one piece with its head counts as it is). No
            timeout runs meanwhile. Never awaited for an answer that fails before.
    """

    timeouts: Timeouts = Timeouts()
    is_idempotent: bool = False
    attempts_max: int = 3  # AWS SDKs' standard retry mode
    is_long: bool = False
    answer_bytes_max: int = 4 * 1024 * 1024  # far above any answer of a short SQS call
    admit: Callable[[int], Awaitable[None]] | None = None
