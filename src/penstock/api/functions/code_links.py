"""Links to zip files, as GetFunction gives them: whoever has one may download, for ten minutes.

On AWS they are presigned URLs of a bucket. Here they lead to this service, and are signed with a
key that is drawn when it starts.
"""

import hashlib
import hmac
from urllib.parse import urlencode

from aiohttp import web

from penstock.api.context import ApiContext
from penstock.api.errors import ACCESS_DENIED, NOT_FOUND, ApiError

LINK_S = 600  # as AWS's
LINKS_PATH = "/penstock/v1/code/"
CODE_PATH = LINKS_PATH + "{Sha256}"


class CodeLinks:
    """Makes links, and answers them."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._key = f"{context.draw_uuid()}{context.draw_uuid()}".encode()

    def make(self, origin: str, sha256: str) -> str:
        """Make a link to a zip file.

        Args:
            origin: ``http://host:port`` of this service, as the caller reaches it.
            sha256: The zip file's.
        """
        expires = str(self._now_s() + LINK_S)
        query = urlencode({"Expires": expires, "Signature": self._sign(sha256, expires)})
        return f"{origin}{CODE_PATH.format(Sha256=sha256)}?{query}"

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Answer a link with its zip file."""
        sha256 = request.match_info["Sha256"]
        expires, signature = (request.query.get(name, "") for name in ("Expires", "Signature"))
        if not hmac.compare_digest(signature.encode(), self._sign(sha256, expires).encode()):
            raise ApiError(ACCESS_DENIED, "The link's signature does not fit: ask GetFunction")
        if int(expires) < self._now_s():
            raise ApiError(ACCESS_DENIED, "The link has expired: ask GetFunction for another one")
        path = self._context.deployed.code.package_path(sha256)
        if not path.is_file():
            raise ApiError(NOT_FOUND, "The code is no longer there: ask GetFunction for its link")
        return web.FileResponse(path, headers={"Content-Type": "application/zip"})

    def _sign(self, sha256: str, expires: str) -> str:
        return hmac.new(self._key, f"{sha256} {expires}".encode(), hashlib.sha256).hexdigest()

    def _now_s(self) -> int:
        return self._context.clock.now().wall_ms // 1000
