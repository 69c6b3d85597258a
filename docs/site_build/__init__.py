"""What `docs/conf.py` builds the site with: `lessons` (pages and cards) and `offline` (MathJax)."""
