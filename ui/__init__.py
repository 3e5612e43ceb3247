"""The Streamlit page over the game client: what to show and how, never what is true."""
