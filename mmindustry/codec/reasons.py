"""Why a message is refused, and what is noted on one that is not: two bounded sets.

A reason is a metric label and a column of the record, so the set stays small; the detail beside it
says which value was wrong. Each remedy is one line, shown by `mmindustry dlq show`.
"""

from collections.abc import Mapping
from types import MappingProxyType

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "empty": "Send the payload as the message's value; a null or empty value tells nothing.",
        "value_too_large": "Send smaller frames or shorter chunks, or raise codec.value_bytes.",
        "header_missing": "Add the CloudEvents header that the detail names.",
        "header_repeated": "Send each CloudEvents header once.",
        "header_not_utf8": "Write header values in UTF-8.",
        "header_empty": "Give the header a value, or leave it out where it is optional.",
        "header_invalid": "Keep header values short and free of control characters.",
        "specversion_unsupported": "Send CloudEvents 1.0: ce_specversion must be `1.0`.",
        "type_unknown": "Use a ce_type of io.mmindustry: frame.v1, audio.v1, log.v1 or state.v1.",
        "wrong_topic": "Send the event to the topic of its type.",
        "time_invalid": "Write times by RFC 3339, such as 2026-03-01T08:15:00.250Z.",
        "time_zone_missing": "Add the zone to the time: `Z` or an offset such as `+01:00`.",
        "time_implausible": "Set the sender's clock: the time lies before 1990.",
        "path_invalid": "Write the asset as site/area/line/asset, each of a-z, 0-9 and `-`.",
        "key_missing": "Use the asset path as the message's key.",
        "key_mismatch": "Use the very text of ce_subject as the message's key.",
        "wrong_partition": "Partition by murmur2 of the key (kcat: -X "
        "topic.partitioner=murmur2_random); `mmindustry dlq replay` sends it home.",
        "structured_invalid": "Mend the CloudEvents JSON; the detail says where it breaks.",
        "structured_mismatch": "Let ce_ headers repeat the structured event exactly, or drop them.",
        "batch_unsupported": "Send one event a message; the Kafka binding has no batch mode.",
        "content_type_unsupported": "Use a content type listed in schemas/.",
        "json_invalid": "Send well-formed JSON in UTF-8 without NaN.",
        "schema_invalid": "Send the fields of the payload's schema only, within their ranges.",
        "image_unsupported": "Send JPEG or PNG; nothing else is taken as a frame.",
        "image_corrupt": "Check the camera or the link: the picture's bytes are damaged.",
        "image_too_large": "Scale the frame down, or raise codec.image_pixels.",
        "image_too_complex": "Send baseline JPEG: this one has too many scans.",
        "audio_unsupported": "Send WAV (PCM or float), FLAC or audio/L16;rate=R;channels=C.",
        "audio_corrupt": "Check the recorder: the sound's header contradicts itself.",
        "audio_not_finite": "Check the recorder: its samples hold NaN or infinite values.",
        "audio_empty": "Send at least one frame of sound.",
        "audio_rate_invalid": "Use a sampling rate within the limits.",
        "audio_channels_invalid": "Use a number of channels within the limits.",
        "audio_too_long": "Cut the recording into shorter chunks.",
        "text_empty": "Send an entry with at least one visible character.",
        "text_not_utf8": "Write text in UTF-8, or name its charset in the content type.",
        "crash_loop": "Three starts died at this message: keep it and report it.",
    }
)
"""Reason -> remedy."""

FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "clock_ahead": "The event time was too far in the future; the append time stands for it.",
        "time_from_append": "The event had no time; the append time stands for it.",
        "content_type_corrected": "The bytes are of another type than the sender said.",
        "audio_truncated": "The sound ends before its header says.",
        "nul_replaced": "A NUL character was replaced by U+FFFD.",
        "control_characters": "The text holds control characters, kept as they came.",
        "bidi_controls": "The text holds characters that turn its direction, kept as they came.",
        "text_cut": "The text was longer than the limit; its end was cut off.",
    }
)
"""Flag -> what it says of an event that was taken."""
