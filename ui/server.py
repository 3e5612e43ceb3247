"""The dashboard's server, as `scripts/dashboard.py` starts it: Streamlit, closed to the frames of other sites.

A page that another site shows in an invisible frame takes its visitors' clicks, and could have them swap the model.
"""

from typing import Final

import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_FOREIGN_FRAMES: Final = (
    (b"content-security-policy", b"frame-ancestors 'self'"),
    (b"x-frame-options", b"SAMEORIGIN"),  # for browsers that do not know the other one
)


class ClosedToFrames:
    """Adds to each answer that only the dashboard's own pages may show it in a frame."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does."""

        async def send_closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *NO_FOREIGN_FRAMES]
            await send(message)

        await self._app(scope, receive, send_closed)


app = st.App("pages/app.py", middleware=[Middleware(ClosedToFrames)])
