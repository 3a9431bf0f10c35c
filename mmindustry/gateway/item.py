"""One event of a plan before it is sent: when it is due, and how its bytes are read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from mmindustry.codec.encode import Content, Encoded, encode
from mmindustry.codec.rfc3339 import format_time
from mmindustry.domain import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What a plan lays at `time`. `due`: when the plant would have told it (a sound ends, a text
    is written). `where` names its file and place; `salt` tells equal rows apart."""

    time: datetime
    due: datetime
    source: str
    asset: str
    modality: Modality
    where: str
    read: Callable[[], Content]
    salt: str = ""

    def encode(self) -> Encoded:
        """Return what goes onto the wire; the same plan and content give the same id.

        Raises:
            InputError: The file is gone or can't be read any more.
        """
        content = self.read()
        bare = encode(content, event_id="-", source=self.source, asset=self.asset, time=self.time)
        digest = blake2b(digest_size=16)
        for part in (self.source, self.asset, format_time(self.time), self.salt):
            digest.update(part.encode() + b"\n")
        digest.update(bare.value)
        headers = tuple(
            (name, digest.hexdigest().encode() if name == "ce_id" else value)
            for name, value in bare.headers
        )
        return bare._replace(headers=headers)
