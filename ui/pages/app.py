"""The script that `ui/server.py` serves: navigation and sidebar of the pages.

It is inside `ui/pages/`, because Streamlit treats a folder `pages/` next to the script as old-style pages and would run
one without this frame on the first visit of a new server.
"""

from pathlib import Path

import streamlit as st

from ui import address, tab
from ui.clients import active_model, connect
from ui.parts import sidebar

HERE = Path(__file__).parent


def main() -> None:
    """Draw the page that the address names. Draw the sidebar's card last: only it waits for the service."""
    st.set_page_config(page_icon="🏒", layout="wide")
    st.html(HERE.parent / "style.css")
    pages = [
        st.Page(HERE / "tonight.py", title="Tonight", icon=":material/calendar_view_month:", default=True),
        st.Page(HERE / "game.py", title="Game", icon=":material/sports_hockey:", url_path="game"),
        st.Page(HERE / "history.py", title="History", icon=":material/history:", url_path="history"),
        st.Page(HERE / "service.py", title="Service", icon=":material/dns:", url_path="service"),
    ]
    page = st.navigation(pages, position="top")
    address.arrive(page.url_path)
    st.set_page_config(
        page_title=tab.title_before(page.url_path, page.title),
        initial_sidebar_state="expanded" if page.url_path == "service" else "collapsed",
    )
    clients = connect()
    with st.sidebar:
        st.header("Prediction model", anchor=False)
        card = st.container()
        picker = st.container()
        sidebar.choose_model(clients.serving, clients.feature_map)
    with st.container(horizontal=True, gap=None, key="page_bar"):  # on a phone, which has no room for them at the top
        for other in pages:
            st.page_link(other)
    page.run()
    model, _ = active_model(clients.serving)
    if model is not None and st.session_state.get("history_model_at_first", "drawn nowhere") is None:
        del st.session_state.history_model_at_first
        st.rerun()  # the History page starts with the active model, which was not known yet
    with card:
        sidebar.show_active_model(clients.serving, with_card=page.url_path != "service")
    if model is not None:
        with picker:
            sidebar.pick_model(clients.serving)


if __name__ == "__main__":
    main()
