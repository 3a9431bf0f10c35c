"""What can be wrong before anything runs: numbered checks, each with what to do."""

import importlib.util
import os
import platform
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from mmindustry.clock import Clock
from mmindustry.daemon.doctor_record import RECORD_CHECKS
from mmindustry.daemon.doctor_stream import STREAM_CHECKS
from mmindustry.daemon.finding import Check, Finding, Patient, Verdict
from mmindustry.daemon.probe import examine_at_once, examine_by

_GIB = 1024**3
_PROBE_SECONDS = 8.0
_FSYNC_TRIES = 20
_FSYNC_SECONDS = 2.0  # a slow disk is known by then
_SLOW_FSYNC_SECONDS = 0.05
_LEAST_INODES = 10_000


def examine(patient: Patient, *, limit_seconds: float = _PROBE_SECONDS) -> Iterator[Finding]:
    """Yield the findings of every check, in a fixed order; one that breaks down is a failed one.

    This machine is looked at first, one check after another, for the disk is timed. What asks
    others is asked at once and given `limit_seconds` in all, however many are away.
    """
    for check in _HERE:
        yield from examine_by(check, patient)
    others = (*RECORD_CHECKS, *STREAM_CHECKS, *_SERVING)
    yield from examine_at_once(others, patient, limit_seconds=limit_seconds)


def check_python(_: Patient) -> Iterator[Finding]:
    """Python, and whether the checksums of Kafka are fast."""
    here = platform.python_version()
    yield Finding("python", Verdict.OK, f"{here} on {platform.machine()}")
    if importlib.util.find_spec("crc32c") is None:
        yield Finding("crc32c", Verdict.FAIL, "not installed", "pip install 'kafka-python[crc32c]'")


def check_torch(patient: Patient) -> Iterator[Finding]:
    """Whether torch is here, and whether the device that is asked for needs it."""
    device = patient.settings.fusion.device
    there = importlib.util.find_spec("torch") is not None
    if device.startswith("cuda") and not there:
        remedy = "pip install 'mmindustry[torch]', or set fusion.device to auto"
        yield Finding("torch", Verdict.FAIL, f"{device} is asked for, torch is missing", remedy)
        return
    told = "installed" if there else "not installed: CPU serving needs none, training does"
    yield Finding("torch", Verdict.OK, told)


def check_settings(patient: Patient) -> Iterator[Finding]:
    """Where the settings came from."""
    files = ", ".join(patient.loaded.files) or "defaults only"
    yield Finding("settings", Verdict.OK, files)
    for name in patient.loaded.files:
        file = Path(name)
        if file.is_file() and patient.loaded.secrets and _is_open(file):
            yield Finding(
                "secrets",
                Verdict.WARN,
                f"{file} may be read by everybody and secrets are set",
                f"chmod 640 {file}, or give secrets as files",
            )


def check_disk(patient: Patient) -> Iterator[Finding]:
    """The data folder: writable, room, inodes, and how long a write takes to be safe."""
    folder = _nearest(patient.settings.run.data_dir)
    room = shutil.disk_usage(folder)
    floor = patient.settings.archive.free_bytes
    verdict = Verdict.OK if room.free > 2 * floor else Verdict.WARN
    remedy = "" if verdict is Verdict.OK else "free some, or shorten retention.raw_days"
    yield Finding("disk room", verdict, f"{room.free / _GIB:.1f} GiB free in {folder}", remedy)
    inodes = os.statvfs(folder).f_favail
    if 0 < inodes < _LEAST_INODES:
        yield Finding("inodes", Verdict.WARN, f"{inodes} left in {folder}", "remove small files")
    slow = _fsync_p95(folder, patient.clock)
    verdict = Verdict.OK if slow < _SLOW_FSYNC_SECONDS else Verdict.WARN
    remedy = "" if verdict is Verdict.OK else "use a faster disk, or store.synchronous: normal"
    yield Finding("disk speed", verdict, f"fsync p95 {slow * 1000:.1f} ms", remedy)


def check_bundle(patient: Patient) -> Iterator[Finding]:
    """The serving bundle: every hash, and a window length it knows."""
    from mmindustry.fusion.bundle import bundle_folder, check_window_length, read_bundle

    bundle = read_bundle(bundle_folder(patient.settings.fusion.bundle))
    check_window_length(bundle.manifest, patient.settings.windowing.length_seconds)
    yield Finding("bundle", Verdict.OK, bundle.id)


def check_ports(patient: Patient) -> Iterator[Finding]:
    """The ports that daemons here will listen on."""
    settings = patient.settings
    wanted = {
        "telemetry.port": (settings.telemetry.host, settings.telemetry.port),
        "dashboard.port": (settings.dashboard.host, settings.dashboard.port),
        "gateway.port": (settings.gateway.host, settings.gateway.port),
    }
    for key, (host, port) in wanted.items():
        if port <= 0:
            continue
        if _is_free(host, port):
            yield Finding(key, Verdict.OK, f"{host}:{port} is free")
        else:
            remedy = f"stop what holds it, or set {key}; fine if it is ours"
            yield Finding(key, Verdict.WARN, f"{host}:{port} is in use", remedy)


def check_alert_sinks(patient: Patient) -> Iterator[Finding]:
    """Each Alertmanager: does it answer?"""
    from mmindustry.notify.transport import Reach, Transport

    bases = patient.settings.notify.alertmanagers
    if not bases:
        remedy = "set notify.alertmanagers or notify.webhooks, or nobody is told"
        has_webhooks = bool(patient.settings.notify.webhooks)
        verdict = Verdict.OK if has_webhooks else Verdict.WARN
        told = "webhooks only" if has_webhooks else "no receiver of alarms is set"
        yield Finding("alert sinks", verdict, told, "" if has_webhooks else remedy)
    transport = Transport(clock=patient.clock, reach=Reach(trusted=True))
    for base in bases:
        reply = transport.post(f"{base.rstrip('/')}/api/v2/alerts", [])
        good = reply.status == 200  # noqa: PLR2004 - HTTP
        verdict = Verdict.OK if good else Verdict.FAIL
        yield Finding("alertmanager", verdict, f"{base}: {reply.status}")


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest above it that is there; the doctor makes nothing."""
    found = folder.absolute()
    while not found.is_dir():
        found = found.parent
    return found


def _is_open(file: Path) -> bool:
    return bool(file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))


def _fsync_p95(folder: Path, clock: Clock) -> float:
    """Return the 95th percentile of the seconds a small durable write takes."""
    probe = folder / ".doctor"
    until = clock.monotonic() + _FSYNC_SECONDS
    took: list[float] = []
    try:
        with probe.open("wb", buffering=0) as out:
            for _ in range(_FSYNC_TRIES):
                begun = clock.monotonic()
                out.write(b"x" * 4096)
                os.fsync(out.fileno())
                took.append(clock.monotonic() - begun)
                if clock.monotonic() > until:
                    break
    finally:
        probe.unlink(missing_ok=True)
    return sorted(took)[int(0.95 * (len(took) - 1))]


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


_HERE: tuple[Check, ...] = (check_python, check_torch, check_settings, check_disk)
_SERVING: tuple[Check, ...] = (check_bundle, check_ports, check_alert_sinks)
