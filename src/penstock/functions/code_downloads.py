"""Code in S3: fetched from the configured endpoint, with the service's own credentials.

Source: docs.aws.amazon.com/lambda/latest/api/API_FunctionCode.html; recorded answers of AWS (texts)
"""

import asyncio
from typing import Any

from botocore.exceptions import BotoCoreError

from penstock.aws.client import WireClient
from penstock.aws.errors import AnswerError, WireError
from penstock.functions.code_package import UNZIPPED_BYTES_MAX
from penstock.model.errors import ConfigurationError


class S3Code:
    """Reads zip files out of buckets."""

    def __init__(self, wire: WireClient) -> None:
        self._wire = wire

    async def fetch(
        self, bucket: str, key: str, *, object_version: str | None, region: str
    ) -> bytes:
        """Read an object.

        Raises:
            ConfigurationError: There is none, or it cannot be read; in AWS's words.
        """
        parameters = {"Bucket": bucket, "Key": key}
        if object_version is not None:
            parameters["VersionId"] = object_version
        try:
            client = await self._wire.sdk.open("s3", region)
            answer = await client.call("GetObject", parameters)
        except AnswerError as exc:
            raise ConfigurationError(
                f"Error occurred while GetObject. S3 Error Code: {exc.code}. S3 Error Message: "
                f"{exc.message}"
            ) from exc
        except WireError as exc:
            raise ConfigurationError(f"Error occurred while GetObject. {exc}") from exc
        return await asyncio.to_thread(_read, answer)


def _read(answer: dict[str, Any]) -> bytes:
    if "Body" not in answer:
        raise ConfigurationError(
            "Error occurred while GetObject. The server answered without an object; point "
            "AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL at a server of S3"
        )
    with answer["Body"] as body:
        try:
            content: bytes = body.read(UNZIPPED_BYTES_MAX + 1)  # one too many is refused as such
        except (BotoCoreError, OSError) as exc:
            raise ConfigurationError(f"Error occurred while GetObject. {exc}") from exc
    return content
