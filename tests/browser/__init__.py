"""JupyterLab in a real browser: `make browser-test`. The plain `pytest` leaves this folder out."""
