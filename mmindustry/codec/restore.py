"""Evidence and its archived bytes -> the event it was."""

from mmindustry.codec.decode import end_of
from mmindustry.codec.images import decode_frame
from mmindustry.codec.policy import CodecPolicy
from mmindustry.codec.sounds import decode_chunk
from mmindustry.domain import Chunk, Event, Evidence, Frame, Media, Message, Modality


def restore_event(asset: str, evidence: Evidence, media: Media, policy: CodecPolicy) -> Event:
    """Return the frame or chunk as it was when it was accepted, `seen`.

    Its message carries key and value but no headers: those are in the stream, or in its past.

    Raises:
        DecodeError: The archived bytes are not what they were accepted as.
    """
    content: Frame | Chunk
    if evidence.modality is Modality.IMAGE:
        content, flags = decode_frame(media.payload, media.content_type, policy)
    else:
        content, flags = decode_chunk(media.payload, media.content_type, policy)
    message = Message(
        evidence.position, asset.encode(), media.payload, (), evidence.time, seen=True
    )
    return Event(
        id=evidence.id,
        source=evidence.source,
        asset=asset,
        modality=evidence.modality,
        time=evidence.time,
        end=end_of(content, evidence.time),
        position=evidence.position,
        append_time=evidence.time,
        content=content,
        flags=flags,
        seen=True,
        message=message,
    )
