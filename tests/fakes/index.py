"""A package index of our own on 127.0.0.1: enough of npm's registry and of the simple index to install Claude Code from.

It serves a stand-in binary (a shell script that tells its version) in the two real packagings, and can lie about hashes or
break off downloads.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self
from urllib.parse import unquote

from claude_or.session.packages import NPM_MEMBER, NPM_PACKAGE, WHEEL_MEMBER, platform_name

Fault = Literal["", "wrong hash", "cut", "other version", "empty package", "bad record"]


def binary(version: str) -> bytes:
    """A program that answers `--version` as Claude Code does, with ballast."""
    return f'#!/bin/sh\necho "{version} (Claude Code)"\nexit 0\n'.encode() + b"#" * 200_000 + b"\n"


@dataclass
class PackageIndex:
    """A context manager. `fetched` lists the paths that were asked for, `broken` counts downloads that were cut."""

    version: str = "9.8.7"
    older: str = ""
    """A version that npm's registry has besides the newest one."""
    wheel_version: str = "0.9.1"
    fault: Fault = ""
    fetched: list[str] = field(default_factory=list[str])
    broken: int = 0

    def __enter__(self) -> Self:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.answer(self)

            def do_HEAD(self) -> None:
                self.send_error(405)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Serve one path of either kind of index."""
        path = unquote(request.path.partition("?")[0])
        self.fetched.append(path)
        package = NPM_PACKAGE + platform_name()
        if path == f"/{package}":
            self._send(request, json.dumps(self._packument(package)).encode(), "application/json")
        elif path.endswith(".tgz"):
            version = self.older if self.older and self.older in path else self.version
            self._send(request, self._tarball(version), "application/octet-stream", cut=self.fault == "cut")
        elif path == "/simple/claude-agent-sdk/":
            self._send(request, self._simple().encode(), "text/html")
        elif path.endswith(".whl"):
            self._send(request, self._wheel(), "application/octet-stream", cut=self.fault == "cut")
        else:
            request.send_error(404)

    def _send(self, request: BaseHTTPRequestHandler, body: bytes, kind: str, *, cut: bool = False) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2] if cut else body)
        self.broken += cut
        request.close_connection = True

    def _content(self, version: str) -> bytes:
        return binary("0.0.1" if self.fault == "other version" else version)

    def _packument(self, package: str) -> dict[str, object]:
        versions = [version for version in (self.older, self.version) if version]
        return {
            "name": package,
            "dist-tags": {"latest": self.version},
            "versions": {version: self._release(package, version) for version in versions},
        }

    def _release(self, package: str, version: str) -> dict[str, object]:
        digest = hashlib.sha512(self._tarball(version) + (b"!" if self.fault == "wrong hash" else b"")).digest()
        return {
            "name": package,
            "version": version,
            "dist": {
                "tarball": f"{self.url}/{package}/-/{package.rpartition('/')[2]}-{version}.tgz",
                "integrity": "sha512-" + base64.b64encode(digest).decode(),
                "unpackedSize": len(self._content(version)),
            },
        }

    def _tarball(self, version: str) -> bytes:
        whole = io.BytesIO()
        files = {"package/package.json": json.dumps({"name": "x", "version": version}).encode()}
        if self.fault != "empty package":
            files[NPM_MEMBER] = self._content(version)
        with tarfile.open(fileobj=whole, mode="w:gz") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o755
                tar.addfile(member, io.BytesIO(content))
        plain = bytearray(whole.getvalue())
        plain[4:8] = bytes(4)  # gzip's time stamp: two calls must give the same bytes
        return bytes(plain)

    def _wheel(self) -> bytes:
        name = f"claude_agent_sdk-{self.wheel_version}.dist-info"
        files = {
            f"{name}/METADATA": f"Metadata-Version: 2.1\nName: claude-agent-sdk\nVersion: {self.wheel_version}\n".encode(),
            f"{name}/WHEEL": b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        if self.fault != "empty package":
            files[WHEEL_MEMBER] = self._content(self.version)
        lie = b"!" if self.fault == "bad record" else b""
        lines = [f"{path},sha256={_record_hash(content + lie)},{len(content)}" for path, content in files.items()]
        files[f"{name}/RECORD"] = ("\n".join([*lines, f"{name}/RECORD,,"]) + "\n").encode()
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as wheel:
            for path, content in files.items():
                wheel.writestr(zipfile.ZipInfo(path), content)
        return whole.getvalue()

    def _simple(self) -> str:
        file = f"claude_agent_sdk-{self.wheel_version}-py3-none-any.whl"
        digest = hashlib.sha256(self._wheel() + (b"!" if self.fault == "wrong hash" else b"")).hexdigest()
        return f'<!DOCTYPE html><html><body><a href="{self.url}/files/{file}#sha256={digest}">{file}</a></body></html>'


def _record_hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
