"""A keyring in a plain file, for tests: `PYTHON_KEYRING_BACKEND=tests.fakes.keyring_file.FileKeyring`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


class FileKeyring(KeyringBackend):
    """Keeps everything in the file that FAKE_KEYRING names."""

    priority = 1  # pyright: ignore[reportAssignmentType]

    @property
    def _path(self) -> Path:
        return Path(os.environ["FAKE_KEYRING"])

    def _all(self) -> dict[str, str]:
        return json.loads(self._path.read_text(encoding="utf-8")) if self._path.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._all().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._path.write_text(json.dumps({**self._all(), f"{service}/{username}": password}), encoding="utf-8")

    def delete_password(self, service: str, username: str) -> None:
        kept = self._all()
        if kept.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("not there")
        self._path.write_text(json.dumps(kept), encoding="utf-8")
