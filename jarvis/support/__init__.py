"""Helpers for all subpackages: check arguments, write files atomically, download data."""
