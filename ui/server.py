"""The dashboard's server, started by `scripts/dashboard.py`: Streamlit, which other sites may not show in a frame.

In an invisible frame on another site the page would take that site's clicks, which could swap the model.
"""

from typing import Final

import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_FOREIGN_FRAMES: Final = (
    (b"content-security-policy", b"frame-ancestors 'self'"),
    (b"x-frame-options", b"SAMEORIGIN"),  # for browsers that do not know the other header
)


class ClosedToFrames:
    """Middleware that lets only the dashboard's own pages show an answer in a frame."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does, with the headers."""

        async def send_closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *NO_FOREIGN_FRAMES]
            await send(message)

        await self._app(scope, receive, send_closed)


app = st.App("pages/app.py", middleware=[Middleware(ClosedToFrames)])
