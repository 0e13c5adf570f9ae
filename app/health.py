"""python -m app.health: exit 0 where a server on this machine is ready. For containers, which have no curl."""

from __future__ import annotations

import http.client
import os
import sys

from app.options import ENVIRONMENT_PREFIX

TIMEOUT_S = 4.0


def check(port: int) -> bool:
    """Whether a server that listens on ``port`` answers that it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not check(int(os.environ.get(f"{ENVIRONMENT_PREFIX}PORT") or 8000)))
