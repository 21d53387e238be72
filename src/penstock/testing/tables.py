"""The DynamoDB tables of a test: changes of items become the records of the table's stream.

Source: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html
"""

from collections.abc import Mapping

import msgspec

from penstock.core.stream_event import (
    DynamoDbChange,
    DynamoDbRecord,
    canonical_key,
    dynamodb_records,
)
from penstock.model.arn import TABLE_NAME
from penstock.model.errors import ConfigurationError
from penstock.model.stream import StreamKind, StreamRecord
from penstock.testing.items import AttributeValue, item_bytes, to_attributes
from penstock.testing.source import Surface
from penstock.testing.streams import Stream
from penstock.testing.values import Entry

VIEW_TYPES = ("NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY")
_EVENT_ID_DIGITS = 32

Item = dict[str, AttributeValue]

_encode = msgspec.json.Encoder().encode


class DynamoDbTable(Stream):
    """A table of a test, and its stream; made by ``penstock.dynamodb_table``.

    Items are plain Python values, as boto3's resources take them: numbers, text, bytes, booleans,
    None, lists, dicts, and sets of one type.

    Attributes:
        name: TableName.
        arn: The stream's: LatestStreamArn.
    """

    NAME = TABLE_NAME

    def __init__(
        self,
        surface: Surface,
        name: str,
        *,
        key: tuple[str, ...],
        view_type: str,
        label: str,
    ) -> None:
        arn = surface.arn_of("dynamodb", f"table/{name}/stream/{label}")
        super().__init__(surface, name, arn, StreamKind.DYNAMODB, shard_count=1)
        self._key = key
        self._view_type = view_type
        self._items: dict[bytes, tuple[dict[str, object], Item]] = {}

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        return f"table {self.name}"

    @property
    def items(self) -> list[dict[str, object]]:
        """The items that are in it, as they were put and updated."""
        return [dict(given) for given, _ in self._items.values()]

    def put(self, *items: Mapping[str, object]) -> None:
        """Put items, in place of those with the same key; what changes nothing makes no record.

        Raises:
            ConfigurationError: DynamoDB would not take one.
        """
        changed = [self._write(item, dict(item)) for item in items]
        self._note_put([entry for entry in changed if entry is not None])

    def update(self, *changes: Mapping[str, object]) -> None:
        """Change items: each has the key and the attributes that change; others stay.

        An item that is not there is made, as by UpdateItem.

        Raises:
            ConfigurationError: DynamoDB would not take one.
        """
        changed = []
        for each in changes:
            known, _ = self._items.get(self._place_of(each), ({}, {}))
            changed.append(self._write(each, {**known, **each}))
        self._note_put([entry for entry in changed if entry is not None])

    def delete(self, *keys: Mapping[str, object]) -> None:
        """Delete the items of these keys; one that is not there makes no record.

        Raises:
            ConfigurationError: Not a key of this table.
        """
        changed = []
        for key in keys:
            if set(key) != set(self._key):
                raise ConfigurationError(
                    f"{key!r} is no key of {self.name}: it has {', '.join(self._key)} and no more"
                )
            known = self._items.pop(self._place_of(key), None)
            if known is not None:
                changed.append(self._record(key, "REMOVE", None, known[1]))
        self._note_put(changed)

    def _write(self, given: Mapping[str, object], item: dict[str, object]) -> Entry | None:
        place = self._place_of(item)
        after = to_attributes(item, what=f"item {item!r} for {self.name}")
        known = self._items.get(place)
        self._items[place] = (item, after)
        if known is None:
            return self._record(given, "INSERT", after, None)
        return None if known[1] == after else self._record(given, "MODIFY", after, known[1])

    def _keys_of(self, item: Mapping[str, object]) -> Item:
        missing = [name for name in self._key if name not in item]
        if missing:
            raise ConfigurationError(
                f"{dict(item)!r} has no {missing[0]!r}, which is of the key of {self.name}"
            )
        keys = to_attributes(
            {name: item[name] for name in self._key}, what=f"the key of {dict(item)!r}"
        )
        for name, attribute in keys.items():
            if not attribute.keys() <= {"S", "N", "B"}:
                raise ConfigurationError(
                    f"{name}={item[name]!r} is of a key: text, a number or bytes"
                )
        return keys

    def _place_of(self, item: Mapping[str, object]) -> bytes:
        return canonical_key(msgspec.Raw(_encode(self._keys_of(item))))

    def _record(
        self, given: Mapping[str, object], event_name: str, after: Item | None, before: Item | None
    ) -> Entry:
        """Put a change into the stream, with the images that its StreamViewType has."""
        whole = after or before or {}
        keys = {name: whole[name] for name in self._key}
        shows_after = self._view_type in {"NEW_AND_OLD_IMAGES", "NEW_IMAGE"}
        shows_before = self._view_type in {"NEW_AND_OLD_IMAGES", "OLD_IMAGE"}
        shown = {
            "image_after": after if shows_after else None,
            "image_before": before if shows_before else None,
        }
        images = {name: msgspec.Raw(_encode(each)) for name, each in shown.items() if each}
        size_bytes = sum(item_bytes(each) for each in (keys, *shown.values()) if each)
        wall_ms = self._surface.wall_ms()
        event_id = self._surface.identities.draw_hex(_EVENT_ID_DIGITS)

        def write(_shard_id: str, number: int) -> StreamRecord:
            change = DynamoDbChange(
                approximate_creation_date_time=float(wall_ms // 1000),
                keys=msgspec.Raw(_encode(keys)),
                sequence_number=str(number),
                size_bytes=msgspec.Raw(_encode(size_bytes)),
                stream_view_type=msgspec.Raw(_encode(self._view_type)),
                **images,
            )
            record = DynamoDbRecord(
                change, msgspec.Raw(_encode(event_id)), msgspec.Raw(_encode(event_name))
            )
            return dynamodb_records([record], stream_arn=self.arn)[0]

        return self._take_in(dict(given), canonical_key(msgspec.Raw(_encode(keys))), write)
