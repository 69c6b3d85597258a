"""Helpers of `docs/conf.py`: `lessons` builds pages and cards, and `offline` copies MathJax."""
