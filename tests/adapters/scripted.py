"""A server that says what a test tells it to, byte by byte."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

Handler = Callable[[str, bytes, socket.socket], bytes | None]


class ScriptedServer:
    """Answers each request with the next handler; the last one is repeated. None as an answer closes the connection."""

    def __init__(self) -> None:
        self.script: list[Handler | bytes] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.released = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self.released.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        try:
            stream = peer.makefile("rb")
            while (line := stream.readline()) and self._answer(line.decode().strip(), stream, peer):
                pass
        except (OSError, ValueError):
            pass
        finally:
            peer.close()

    def _answer(self, line: str, stream: Any, peer: socket.socket) -> bool:
        headers = {}
        while (header := stream.readline().decode().strip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        self.requests.append((line, headers, body))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        reply = step(line, body, peer) if callable(step) else step
        if reply is None:
            peer.shutdown(socket.SHUT_RDWR)
            return False
        peer.sendall(reply)
        return True


def reply(status: int, body: Any, *, kind: str = "application/json", **headers: str) -> bytes:
    """An HTTP answer; header names are written with underscores."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(data)}"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + data


def status(code: int, message: str, reason: str = "", **details: Any) -> bytes:
    """A Kubernetes Status, with its HTTP status."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}
    return reply(code, {**body, "reason": reason, "details": details})


class Say:
    """What a scripted server can say."""

    reply = staticmethod(reply)
    status = staticmethod(status)
