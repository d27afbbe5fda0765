"""API keys: from a mounted Secret or the environment, several at a time so that rotation refuses nobody."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from pathlib import Path

from ml_service.settings import ApiSettings, SettingsError

_LOOK_AGAIN_S = 1.0

log = logging.getLogger("ml_service.keys")


class ApiKeys:
    """The keys that are accepted now; a changed file is noticed within a second.

    Raises:
        SettingsError: keys are configured, but there is none: nobody could ever be let in.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._file = settings.api_keys_file
        fixed = settings.api_keys.get_secret_value().split(",") if settings.api_keys else []
        self._fixed = _digests(fixed)
        self.required = bool(self._file or settings.api_keys)
        if settings.api_keys and not self._fixed:
            raise SettingsError("ML_API_KEYS: holds no key")
        self._seen: object = None
        self._from_file: list[bytes] = []
        self._next_look = 0.0
        if self._file:
            try:
                self._seen, self._from_file = _read(self._file)
            except OSError as error:
                raise SettingsError(f"ML_API_KEYS_FILE: {self._file}: {error.strerror}") from error
            if not self._from_file:
                raise SettingsError(f"ML_API_KEYS_FILE: {self._file}: holds no key")

    def accepts(self, candidate: str | None) -> bool:
        """Tell whether a request with this key may pass; takes as long for a wrong key as for a right one."""
        if not self.required:
            return True
        self._follow_file()
        digest = _digest(candidate or "")
        # No early end: which of the keys matched must not show in the time it took.
        matches = [hmac.compare_digest(digest, known) for known in [*self._fixed, *self._from_file]]
        return any(matches) and bool(candidate)

    def _follow_file(self) -> None:
        now = time.monotonic()
        if not self._file or now < self._next_look:
            return
        self._next_look = now + _LOOK_AGAIN_S
        try:
            if _state(self._file) == self._seen:
                return
            seen, keys = _read(self._file)
        except OSError as error:
            log.warning("API keys cannot be read; the last ones stay", extra={"fields": {"error": error.strerror}})
            return
        if not keys:
            log.warning("API keys file holds no key; the last ones stay")
            return
        self._seen, self._from_file = seen, keys
        log.info("API keys read again", extra={"fields": {"keys": len(keys)}})


def _files(path: Path) -> list[Path]:
    # A mounted Secret is a folder of links; its dot files are the kubelet's.
    return sorted(p for p in path.iterdir() if not p.name.startswith(".")) if path.is_dir() else [path]


def _state(path: Path) -> object:
    return [(p.name, s.st_mtime_ns, s.st_size, s.st_ino) for p in _files(path) for s in [p.stat()]]


def _read(path: Path) -> tuple[object, list[bytes]]:
    state = _state(path)
    return state, _digests([line for p in _files(path) for line in p.read_text("utf-8").splitlines()])


def _digests(keys: list[str]) -> list[bytes]:
    return [_digest(key.strip()) for key in keys if key.strip()]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
