"""python -m app: serve the models of a store until told to stop."""

from __future__ import annotations

import os

# Must be said before NumPy is loaded. Questions are spread over the cores as they come; threads within one product would
# wait for each other, spinning, on cores that other questions need.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import asyncio
import errno
import functools
import logging.config
import signal
import socket
import sys
from types import FrameType
from typing import NoReturn, cast

if sys.platform != "win32":
    import resource

import uvicorn
from uvicorn.supervisors import Multiprocess

from app.allocation import limit_arenas
from app.catalog import Catalog
from app.key_command import make_key
from app.keys import read_keys
from app.logs import describe_logging
from app.main import create_app, open_catalog
from app.metrics import share_metrics
from app.origins import list_origins
from app.protocol import BoundedProtocol, Patience
from app.settings import Settings, parse_settings, tabulate_settings
from artifact.errors import InputError, WordkinError

BACKLOG = 2_048
WORKER_SILENCE_S = 60
"""How long a worker may not answer its supervisor before it is replaced: on a busy machine one takes long to start."""
JOIN_S = 0.1
MAX_OPEN_FILES = 65_536


def main(arguments: list[str] | None = None) -> int:
    """Serve. Returns the exit code: 0 after a signal to stop, 2 with one line for a mistake of the user's."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] == ["key"]:
            return make_key(arguments[1:])
        if arguments[:1] == ["settings"]:
            print(tabulate_settings(), end="")
            return 0
        settings = parse_settings(arguments, os.environ)
        check_settings(settings)
        _allow_open_files()
        limit_arenas()
        with _bind(settings) as listener:
            logging.config.dictConfig(describe_logging(settings))
            # Opened here, a mistake is one line, and hashes are checked once and not by every worker at the same time.
            catalog = open_catalog(settings)
            _announce(catalog, listener)
            if settings.workers == 1:
                return _serve(settings, catalog, listener)
            # Workers open their own; what this process kept open would stay so after they have gone on to newer versions.
            del catalog
            return _serve(settings, None, listener)
    except WordkinError as error:
        print(f"python -m app: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def check_settings(settings: Settings) -> None:
    """InputError for what the application would refuse too, when it starts: here a mistake is one line."""
    read_keys(settings)
    list_origins(settings.cors_origins)


def _allow_open_files() -> None:
    """Raise the soft limit on open files, which every connection needs one of, as far as may be."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _bind(settings: Settings) -> socket.socket:
    """A listening socket; InputError where the address cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError):
        raise InputError(f"--host {settings.host[:100]!a}: no such address") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            reason = "the port is in use; --port 0 takes a free one"
        else:
            reason = error.strerror or str(error)
        raise InputError(f"cannot listen on {settings.host} port {settings.port}: {reason}") from None
    listener.set_inheritable(True)
    return listener


def _announce(catalog: Catalog, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    for served in catalog.shelf.served.values():
        print(f"serving {served.name} {served.version} ({served.kind})", file=sys.stderr)
    print(f"listening on {address} (documentation: {address}/docs)", file=sys.stderr, flush=True)


def _serve(settings: Settings, catalog: Catalog | None, listener: socket.socket) -> int:
    patience = Patience(
        head_timeout_s=settings.head_timeout_seconds,
        send_timeout_s=settings.send_timeout_seconds,
        max_connections=settings.max_connections,
    )
    config = uvicorn.Config(
        # A partial of a module's function can be sent to worker processes; each opens a catalog of its own there.
        functools.partial(create_app, settings, catalog=catalog),
        factory=True,
        http=cast("type[asyncio.Protocol]", functools.partial(BoundedProtocol, patience=patience)),
        ws="none",
        workers=settings.workers,
        log_config=describe_logging(settings),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_worker_healthcheck=WORKER_SILENCE_S,
        timeout_graceful_shutdown=settings.grace_seconds,
    )
    # uvicorn stops in order on these signals and then raises them again for whoever stood before it.
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    if catalog is not None:
        uvicorn.Server(config).run([listener])
        return 0
    supervisor = _Supervisor(config, sockets=[listener])
    with share_metrics():
        supervisor.run()
    # A worker that was told to stop ends by that signal, which is negative here; one that could not start does not.
    return int(any((process.exitcode or 0) > 0 for process in supervisor.processes))


class _Supervisor(Multiprocess):
    """uvicorn's, which hands a second signal on to workers that are still draining, too."""

    def join_all(self) -> None:
        for worker in self.processes:
            while worker.process.is_alive():
                worker.process.join(JOIN_S)
                if self.signal_queue:
                    self.signal_queue.clear()
                    for other in self.processes:
                        other.process.terminate()


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
