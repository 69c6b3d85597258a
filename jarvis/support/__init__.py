"""Helpers for all subpackages: argument checks, atomic writing of files, downloads of data."""
