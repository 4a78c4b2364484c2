"""Who may ask: the holder of ``API_KEY``, where one is set, and no page of another site."""

import secrets
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from f5_worker.errors import KeyRefusedError
from f5_worker.settings import FrontSettings

_BEARER = HTTPBearer(auto_error=False, description="API_KEY, where the endpoint has one")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="the same, where Authorization has RunPod's own key")


class KeyCheck:
    """A dependency of every route that does something."""

    def __init__(self, settings: FrontSettings) -> None:
        self._settings = settings

    def __call__(
        self,
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None,
        header: Annotated[str | None, Security(_HEADER)] = None,
    ) -> None:
        """Let the request pass.

        Raises:
            KeyRefusedError: it has no key, or a wrong one, or a browser sends it for another site's page.
        """
        origin, allowed = request.headers.get("origin"), self._settings.cors_origins
        from_another_site = request.method != "GET" and request.headers.get("sec-fetch-site") == "cross-site"
        if from_another_site and not {origin, "*"} & {*allowed}:
            raise KeyRefusedError("The request comes from another site's page; CORS_ORIGINS may name that site.")
        key = self._settings.api_key
        if key is None:
            return
        sent = [given.encode() for given in (bearer and bearer.credentials, header) if isinstance(given, str)]
        if not any(secrets.compare_digest(given, key.encode()) for given in sent):
            wrong = "is not the endpoint's" if sent else "is missing"
            raise KeyRefusedError(f"The API key {wrong}; send Authorization: Bearer KEY, or X-API-Key: KEY.")
