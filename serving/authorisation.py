"""Around every request but the open ones: who asks, whether it may, and how often."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ml.contract.api_keys import allows
from ml.contract.errors import VigieError
from serving.access import scope_of
from serving.callers import Caller, Gate
from serving.errors import NotAllowed
from serving.refusal import refuse


class Authorisation:
    """ASGI middleware. It decides before a body is read, so strangers cost nothing to turn away."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event."""
        if scope["type"] != "http" or self._gate.is_open:
            await self._app(scope, receive, send)
            return
        needed = scope_of(scope["method"], scope["path"])
        if needed != "public":
            try:
                caller = await self._caller(Headers(scope=scope))
                scope["state"]["caller"] = caller.name
                scope["state"]["owner"] = caller.owner or caller.name
                if not allows(caller.scopes, needed):
                    raise NotAllowed(
                        f"The key may not be used for this: it lacks the scope {needed}.",
                        remedy="Ask the operators for one that has it.",
                    )
                self._gate.count(caller)
            except VigieError as error:
                await refuse(scope, receive, send, error)
                return
        await self._app(scope, receive, send)

    async def _caller(self, headers: Headers) -> Caller:
        known = self._gate.known(headers)
        if known is not None:
            return known
        return await asyncio.to_thread(self._gate.check_token, headers)
