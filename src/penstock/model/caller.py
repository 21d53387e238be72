"""Who may call the service's port, and a request as its signature covers it."""

import msgspec


class Caller(msgspec.Struct, frozen=True):
    """One pair of keys that signs requests to this service.

    Attributes:
        name: Of its profile, for errors about the file.
        token: Must come with each request, as with temporary credentials; None: none may come.
    """

    name: str
    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Caller({self.name!r}, {self.access_key!r}, ...)"


class RequestHead(msgspec.Struct, frozen=True):
    """A request without its body, as it came over the wire.

    Attributes:
        target: Path and query, not decoded.
        headers: Names as sent, in their order; one that was sent twice is there twice.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        """Give a header, its values joined by commas; None when it was not sent.

        Args:
            name: In lower case.
        """
        texts = [text for sent, text in self.headers if sent.lower() == name]
        return ",".join(texts) if texts else None
