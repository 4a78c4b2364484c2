"""The HTTP server: its ports, its start whatever is broken, and its end once requests that it has are answered."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from dataclasses import replace

import uvicorn

from f5_worker import log, sdk
from f5_worker.delivery import workspace
from f5_worker.front.app import Front, Handler, StreamHandler
from f5_worker.front.connection import Connections
from f5_worker.front.readiness import Readiness
from f5_worker.resources import Resources
from f5_worker.settings import FrontSettings

_BACKLOG = 2_048
_KEEP_ALIVE = 75  # seconds: longer than a load balancer keeps a connection, which else loses the request it sends as it ends


def run(front: FrontSettings, handler: Handler, stream_handler: StreamHandler, resources: Resources) -> int:
    """Serve until SIGTERM or SIGINT, and then until every request that has come is answered. Returns the exit code.

    It is 1 where no port can be had, and where a failure came that no later job in this process can survive.
    """
    for problem in (*sdk.problems, *([resources.settings_error.message] if resources.settings_error else [])):
        log.warn(problem)
    resources.settings = replace(resources.settings, served=True, streaming=False, front=front)
    host, port, ping_port = front.host, front.port, front.port_health or front.port
    try:
        sockets = [_listening(host, number) for number in dict.fromkeys((port, ping_port))]
    except OSError as error:
        log.error(f"{host}:{port} cannot be listened on ({error.strerror}); choose another with --host and --port.")
        return 1
    threading.Thread(target=workspace.sweep, name="sweep", daemon=True).start()
    readiness, broken = Readiness(resources), threading.Event()

    def end() -> None:
        broken.set()
        server.should_exit = True

    app = Connections(Front(handler, stream_handler, resources, readiness, end).app, ping_port if ping_port != port else None)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False, timeout_keep_alive=_KEEP_ALIVE
    )
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # Connections logs what there is to say
    server = uvicorn.Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn takes them, and passes them on when all is done
    readiness.begin()
    shown = "localhost" if host in ("0.0.0.0", "::", "127.0.0.1") else host
    log.info(
        f"Listening on {host}:{port}{'' if ping_port == port else f', and on {ping_port} for /ping'}: http://{shown}:{port}/"
    )
    asyncio.run(server.serve(sockets))
    readiness.end()
    code = int(broken.is_set())
    log.info("Every request is answered; the server ends")
    sys.stdout.flush()
    os._exit(code)  # a thread that hangs in a load or a connection would hold the exit up


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(False)
    return listener
